//! Where in the file the lines are that undoing needs. Contents stay on the disk: the daemon holds this for months.

use std::collections::BTreeMap;

use super::image::{Fingerprint, Image, Short, ThingName};
use super::line::{Ending, Entry, Line};
use crate::host::Thing;

/// A line's place in the file, its end included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) length: usize,
    /// Counted from 1.
    pub(super) line: u64,
}

/// A thing that we changed and did not put back.
#[derive(Debug, Clone)]
pub(super) struct Touched {
    /// The first touch's id: order of first touch.
    pub(super) id: u64,
    /// Lines with images of before, oldest first. A second one follows an image of attributes alone, when a change
    /// of content is announced.
    pub(super) images: Vec<Span>,
    /// Whether an image holds more than attributes.
    pub(super) whole: bool,
    /// The last change that announced more than attributes.
    pub(super) content: Option<Span>,
    /// What the last change announced, with the content that it left.
    pub(super) last_written: Fingerprint,
    /// The last change of each control, in order of time; the newest is the last.
    pub(super) changes: Vec<(String, Span)>,
    /// Controls that changed it and need it no longer.
    given_up: Vec<(String, Span)>,
    /// How it was before its last image was added: that change may turn out not to have been made.
    earlier: Option<Box<Self>>,
}

/// The lines that must outlive a compaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    pub(super) touched: BTreeMap<Thing, Touched>,
    pub(super) notes: BTreeMap<String, Span>,
    unknown: Vec<Span>,
}

impl Index {
    /// Takes a line in; what it makes superfluous is forgotten.
    pub(super) fn add(&mut self, line: Line, span: Span) {
        match line.entry {
            Entry::FirstTouch {
                control,
                thing,
                before,
                after,
            } => {
                let whole = !matches!(before, Image::Attributes(_));
                if let Some(thing) = thing.thing() {
                    let touched = self.touch(thing, line.id, &after);
                    touched.earlier = touched.before_another_image();
                    touched.images.push(span);
                    touched.whole |= whole;
                    touched.changed(control, after, span);
                }
            }
            Entry::Repair {
                control,
                thing,
                after,
                ..
            } => {
                if let Some(touched) = lookup(&mut self.touched, thing) {
                    touched.changed(control, after, span);
                }
            }
            Entry::GivenUp { control, thing } => {
                if let Some(touched) = lookup(&mut self.touched, thing) {
                    touched.given_up.retain(|(known, _)| *known != control);
                    touched.given_up.push((control, span));
                }
            }
            Entry::Ended { thing, end } => {
                if let Some(thing) = thing.thing() {
                    let ended = self.touched.remove(&thing);
                    let earlier = ended.and_then(|touched| touched.earlier);
                    // Of a change that was not made, only what it has added goes.
                    if let (Ending::NotMade, Some(earlier)) = (end, earlier) {
                        self.touched.insert(thing, *earlier);
                    }
                }
            }
            Entry::Note { key, .. } => {
                self.notes.insert(key, span);
            }
            Entry::Checkpoint { .. } => {}
            Entry::Unknown => self.unknown.push(span),
        }
    }

    fn touch(&mut self, thing: Thing, id: u64, after: &Short) -> &mut Touched {
        self.touched.entry(thing).or_insert_with(|| Touched {
            id,
            images: Vec::new(),
            whole: false,
            content: None,
            last_written: Fingerprint::from_short(after.clone()),
            changes: Vec::new(),
            given_up: Vec::new(),
            earlier: None,
        })
    }

    /// The lines to keep, in their order in the file, each once.
    pub(super) fn kept(&self) -> Vec<Span> {
        let touched = self.touched.values();
        let of_things = touched.flat_map(|touched| {
            let both = std::iter::once(touched).chain(touched.earlier.as_deref());
            both.flat_map(Touched::lines)
        });
        let mut spans: Vec<Span> = of_things
            .chain(self.notes.values())
            .chain(&self.unknown)
            .copied()
            .collect();
        spans.sort_by_key(|span| span.offset);
        spans.dedup();
        spans
    }

    /// Size of the lines to keep, in bytes.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.kept().iter().map(|span| span.length as u64).sum()
    }
}

impl Touched {
    /// The lines that undoing it needs.
    fn lines(&self) -> impl Iterator<Item = &Span> {
        let of_controls = self.changes.iter().chain(&self.given_up);
        let of_controls = of_controls.map(|(_, span)| span);
        self.images.iter().chain(&self.content).chain(of_controls)
    }

    fn before_another_image(&self) -> Option<Box<Self>> {
        let earlier = Self {
            earlier: None,
            ..self.clone()
        };
        (!self.images.is_empty()).then(|| Box::new(earlier))
    }

    /// The controls that changed it and still need it.
    pub(super) fn controls(&self) -> impl Iterator<Item = &String> {
        let controls = self.changes.iter().map(|(control, _)| control);
        controls.filter(|control| !self.given_up.iter().any(|(known, _)| known == *control))
    }

    /// The controls that changed it and need it no longer.
    pub(super) fn given_up(&self) -> impl Iterator<Item = &String> {
        self.given_up.iter().map(|(control, _)| control)
    }

    fn changed(&mut self, control: String, after: Short, span: Span) {
        if !matches!(after, Short::Attributes(_)) {
            self.content = Some(span);
        }
        self.changes.retain(|(known, _)| *known != control);
        self.given_up.retain(|(known, _)| *known != control);
        self.changes.push((control, span));
        self.last_written.extend(after);
    }
}

fn lookup(touched: &mut BTreeMap<Thing, Touched>, name: ThingName) -> Option<&mut Touched> {
    touched.get_mut(&name.thing()?)
}
