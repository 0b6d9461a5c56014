//! How the places that we write look from our own mount namespace.
//!
//! systemd built that namespace when it started us. A place that was not there then, or that the configuration has moved
//! since, cannot be written in it. Only a new start mends that.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, fstatvfs};

use crate::host::Root;

/// The places that we write, as they were when last looked at.
#[derive(Debug, Default)]
pub struct View {
    places: Vec<(PathBuf, Sight)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    Absent,
    Open,
    /// There, and on a file system that is read-only here.
    Closed,
}

impl Sight {
    /// `None` where it cannot be looked at, for want of a descriptor perhaps: that says nothing of the place, and what is tried
    /// there says so itself.
    fn of(root: &Root, place: &Path) -> Option<Self> {
        let Some((descriptor, _)) = root.directory_descriptor(place).ok()? else {
            return Some(Self::Absent);
        };
        Some(match fstatvfs(descriptor.as_fd()) {
            Ok(found) if found.flags().contains(FsFlags::ST_RDONLY) => Self::Closed,
            _ => Self::Open,
        })
    }
}

impl View {
    /// The places at the start. What is closed now is closed for everyone, or not ours to open.
    #[must_use]
    pub fn of(root: &Root, places: impl IntoIterator<Item = PathBuf>) -> Self {
        let seen = |place: PathBuf| {
            let sight = Sight::of(root, &place).unwrap_or(Sight::Absent);
            (place, sight)
        };
        Self {
            places: places.into_iter().map(seen).collect(),
        }
    }

    /// The places.
    pub fn places(&self) -> impl Iterator<Item = &Path> {
        self.places.iter().map(|(place, _)| place.as_path())
    }

    /// Other places from now on; one that we did not have before counts as one that appears.
    pub fn follow(&mut self, places: impl IntoIterator<Item = PathBuf>) {
        let before = |place: &Path| {
            let known = self.places.iter().find(|(known, _)| known == place);
            known.map_or(Sight::Absent, |(_, sight)| *sight)
        };
        let places = places.into_iter().map(|place| {
            let sight = before(&place);
            (place, sight)
        });
        self.places = places.collect();
    }

    /// Looks again. The place that has become closed since the last look: it was made, or made anew, after our
    /// namespace. One that was closed before is not named again.
    pub fn newly_closed(&mut self, root: &Root) -> Option<PathBuf> {
        self.take(|place| Sight::of(root, place))
    }

    fn take(&mut self, look: impl Fn(&Path) -> Option<Sight>) -> Option<PathBuf> {
        let mut closed = None;
        for (place, sight) in &mut self.places {
            let Some(now) = look(place) else { continue };
            if now == Sight::Closed && *sight != Sight::Closed {
                closed.get_or_insert_with(|| place.clone());
            }
            *sight = now;
        }
        closed
    }

    /// Whether this place was there at the last look, is gone, and cannot be made anew from here: our bind mount of it went
    /// with it, and what it was in is read-only.
    pub fn newly_lost(&mut self, root: &Root, place: &Path) -> bool {
        self.lose(place, |path| Sight::of(root, path))
    }

    fn lose(&mut self, place: &Path, look: impl Fn(&Path) -> Option<Sight>) -> bool {
        let known = self.places.iter_mut().find(|(known, _)| known == place);
        let Some((_, sight)) = known.filter(|(_, sight)| *sight == Sight::Open) else {
            return false;
        };
        if look(place) != Some(Sight::Absent) {
            return false;
        }
        *sight = Sight::Absent;
        let mut above = place.ancestors().skip(1).map(look);
        let nearest = above.find(|sight| *sight != Some(Sight::Absent));
        nearest == Some(Some(Sight::Closed))
    }

    /// A place that is closed.
    #[must_use]
    pub fn closed(&self) -> Option<&Path> {
        let closed = self
            .places
            .iter()
            .find(|(_, sight)| *sight == Sight::Closed);
        closed.map(|(place, _)| place.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> PathBuf {
        PathBuf::from("/place")
    }

    #[test]
    fn a_place_that_is_made_where_we_can_write_is_no_reason_for_a_new_start() {
        let kept = tempfile::tempdir().unwrap();
        let root = Root::open(kept.path()).unwrap();
        let mut view = View::of(&root, [place()]);
        assert_eq!(view.newly_closed(&root), None);
        std::fs::create_dir(kept.path().join("place")).unwrap();
        assert_eq!(view.newly_closed(&root), None);
        assert_eq!(view.closed(), None);
    }

    #[test]
    fn a_place_that_becomes_closed_is_named_once() {
        let mut view = View::default();
        view.follow([place()]);
        assert_eq!(view.take(|_| Some(Sight::Absent)), None);
        assert_eq!(view.take(|_| Some(Sight::Closed)), Some(place()));
        assert_eq!(view.closed(), Some(place().as_path()));
        assert_eq!(view.take(|_| Some(Sight::Closed)), None);
        assert_eq!(view.take(|_| Some(Sight::Open)), None);
        assert_eq!(
            view.take(|_| Some(Sight::Closed)),
            Some(place()),
            "made anew"
        );
    }

    #[test]
    fn a_place_that_went_is_lost_once_where_it_cannot_be_made_anew() {
        let root = |sight: Sight| {
            move |path: &Path| {
                Some(match path == place() {
                    true => Sight::Absent,
                    false => sight,
                })
            }
        };
        for (above, before, lost) in [
            (Sight::Closed, Sight::Open, true),
            (Sight::Open, Sight::Open, false),
            (Sight::Closed, Sight::Absent, false),
        ] {
            let mut view = View {
                places: vec![(place(), before)],
            };
            assert_eq!(view.lose(&place(), root(above)), lost);
            assert!(!view.lose(&place(), root(above)), "once");
        }
        let mut view = View {
            places: vec![(place(), Sight::Open)],
        };
        assert!(!view.lose(&place(), |_| Some(Sight::Open)), "it is there");
    }

    #[test]
    fn a_place_that_cannot_be_looked_at_is_as_it_was() {
        let mut view = View {
            places: vec![(place(), Sight::Open)],
        };
        assert!(!view.lose(&place(), |_| None));
        assert_eq!(view.take(|_| None), None);
        assert_eq!(view.take(|_| Some(Sight::Closed)), Some(place()));
    }

    #[test]
    fn a_place_that_was_closed_at_the_start_is_left_until_it_is_said_to_be_elsewhere() {
        let mut view = View {
            places: vec![(place(), Sight::Closed)],
        };
        view.follow([place()]);
        assert_eq!(view.take(|_| Some(Sight::Closed)), None);
        let other = PathBuf::from("/other");
        view.follow([place(), other.clone()]);
        assert_eq!(view.take(|_| Some(Sight::Closed)), Some(other));
    }
}
