//! How files, command line and environment become one configuration.

mod variables;

use std::path::PathBuf;

use super::command_line::{self, Setting, Word, WordSlip, parse};
use super::config_file::{self, Location, Reading};
use super::config_merge::{self, Key};
use super::environment::Environment;
use super::files::{Files, Input};
use super::node_configuration::ConfigurationError;
use super::options::{KnownOption, NEWEST_CATALOGUED_MINOR, OptionKind, Options};
use super::secret::shown_name;
use super::{
    Ending, Invocation, K3sVersion, Merge, Outcome, Place, Remark, Role, SetOption, SkippedKey,
    Sourced,
};

/// From here on a server skips keys that it does not know, with a warning (K3s 4b57951fb); before, they end it.
const UNKNOWN_KEYS_ARE_SKIPPED: K3sVersion = K3sVersion::new(22, 4);

/// `disable-selinux` was taken away with 1.26; up to there it excludes `selinux`.
const NO_DISABLE_SELINUX: K3sVersion = K3sVersion::new(26, 0);

/// More than anybody's configuration becomes.
const WORDS_LIMIT_BYTES: usize = 32 << 20;

/// What a word that is no option does to those behind it. It is named only where it tells nothing: a token can have
/// slipped behind its option.
fn stray(word: &str, number: Option<usize>, ignored: usize) -> String {
    let behind = match ignored.saturating_sub(1) {
        0 => String::new(),
        count => format!(", and {count} more word(s) after it"),
    };
    let what = match number {
        _ if command_line::is_harmless(word) => format!("`{word}`"),
        Some(number) => format!("word {number} behind the role, which is no option"),
        None => "a word that is no option".to_owned(),
    };
    let mend = match word {
        "true" | "false" => format!("; write it in one word with its option, as --OPTION={word}"),
        _ => "; take it out, or write it in one word with its option, as --OPTION=VALUE".to_owned(),
    };
    format!("K3s stops reading its command line here and ignores {what}{behind}{mend}")
}

/// A merge under way.
pub(super) struct Merging<'a> {
    version: K3sVersion,
    pub(super) role: Role,
    options: Options,
    /// The words behind the role.
    pub(super) given: &'a [Word],
    pub(super) environment: &'a Environment,
    /// Unknown keys are skipped.
    filters: bool,
    pub(super) inputs: Vec<Input>,
    pub(super) skipped: Vec<SkippedKey>,
    pub(super) remarks: Vec<Remark>,
    pub(super) merge: Merge,
}

impl<'a> Merging<'a> {
    /// `None` where the command starts no server and no agent.
    pub(super) fn of(invocation: &'a Invocation, version: K3sVersion) -> Option<Self> {
        let (position, role) = invocation.role()?;
        // K3s looks the options to compare keys with up by the first word of its command (`pkg/configfilearg/parser.go`
        // stripInvalidFlags).
        let looks_keys_up = role == Role::Server && position == 0;
        Some(Self {
            version,
            role,
            options: Options::of(role, version),
            given: invocation.words.get(position + 1..).unwrap_or_default(),
            environment: &invocation.environment,
            filters: looks_keys_up && version >= UNKNOWN_KEYS_ARE_SKIPPED,
            inputs: Vec::new(),
            skipped: Vec::new(),
            remarks: Vec::new(),
            merge: Merge::default(),
        })
    }

    /// The keys of all files, or the words with which K3s ends.
    pub(super) fn keys(
        &mut self,
        files: &Files<'_>,
        location: Option<&Location>,
    ) -> Result<Result<Vec<Key>, Ending>, ConfigurationError> {
        let Some(location) = location else {
            return Ok(Ok(Vec::new()));
        };
        let reading = config_file::read(files, location, self.version, &mut self.inputs)?;
        Ok(match reading {
            Reading::Files(files) => {
                let keys = config_merge::merge(&files, self.version);
                // Each item of a list carries its key, so a long key makes much out of little.
                let bytes = keys.iter().map(Key::bytes).fold(0, usize::saturating_add);
                if bytes > WORDS_LIMIT_BYTES {
                    return Err(ConfigurationError::TooLarge {
                        path: location.path.clone(),
                        limit_bytes: WORDS_LIMIT_BYTES,
                    });
                }
                Ok(keys)
            }
            Reading::Nothing { because_of } => {
                self.remark_on_nothing(location, because_of);
                Ok(Vec::new())
            }
            Reading::Ends(ending) => Err(ending),
        })
    }

    fn remark_on_nothing(&mut self, location: &Location, because_of: Option<PathBuf>) {
        if let Some(path) = because_of {
            self.remarks.push(Remark {
                text: format!(
                    "{} leads nowhere, so K3s reads none of its configuration files; put there what it names, or take it out",
                    path.display()
                ),
                from: Some(Place::File { path, line: 1 }),
            });
        } else if location.named.is_some() {
            let text = match config_file::remote_address(&location.path) {
                Some(address) => format!(
                    "K3s {} fetches no configuration: it looks for a file named {address}, finds none and reads none; \
                     put the file on this machine and name it",
                    self.version
                ),
                None => format!(
                    "{} does not exist; put it there, or name a file that is",
                    location.path.display()
                ),
            };
            self.remarks.push(Remark {
                text,
                from: location.named.clone(),
            });
        }
    }

    /// Takes the words of the files and of the command line apart. An error is an end that leaves no option known.
    pub(super) fn run(&mut self, keys: &[Key]) -> Result<Outcome, Ending> {
        let mut words = self.file_words(keys);
        words.extend(self.given.iter().cloned());
        self.merge.words = std::iter::once(self.role.as_str().to_owned())
            .chain(words.iter().map(|word| word.text.clone()))
            .collect();
        let (from_environment, mut slips) = self.settings_of_environment();
        let parsed = match (parse(&words, &self.options, self.version), slips.first()) {
            (Ok(parsed), _) => parsed,
            (Err(_), Some(earlier)) => return Err(earlier.ending.clone()),
            (Err(ending), None) => return Err(ending),
        };
        slips.extend(parsed.slips);
        if let Some(first) = slips.first()
            && !slips.iter().all(|slip| self.leaves_the_rest_clear(slip))
        {
            return Err(first.ending.clone());
        }
        if let Some(word) = parsed.ignored.first() {
            self.remarks.push(Remark {
                text: stray(&word.text, self.number(word), parsed.ignored.len()),
                from: Some(word.place.clone()),
            });
        }
        if let Some(word) = parsed.unknown {
            let flag = command_line::shown([word.text.as_str()]).concat();
            self.remarks.push(Remark {
                text: format!(
                    "whether K3s {} has an option {flag} is not known here; neither it nor the words behind it are \
                     judged; look it up, or update k3warden",
                    self.version
                ),
                from: Some(word.place),
            });
        }
        for setting in from_environment.into_iter().chain(parsed.settings) {
            self.apply(setting);
        }
        self.remember_overrode(keys);
        self.drop_empty_items();
        let mut endings = slips.into_iter().map(|slip| slip.ending);
        let first = endings.next();
        let both = self.both_selinux();
        Ok(match (first, both) {
            (None, None) => Outcome::Settled,
            (Some(first), both) => Outcome::Slips {
                first,
                others: endings.chain(both).collect(),
            },
            (None, Some(first)) => Outcome::Slips {
                first,
                others: Vec::new(),
            },
        })
    }

    /// Whether it is clear without a word what a server is to be, and where. A name that is none may be meant for the one that has it join a
    /// cluster; of two names for `server` or `data-dir` nobody can tell which is meant.
    fn leaves_the_rest_clear(&self, slip: &WordSlip) -> bool {
        match (self.role, slip.option) {
            (_, Some("data-dir")) => false,
            (Role::Agent, _) => true,
            (Role::Server, Some(option)) => {
                !matches!(option, "cluster-init" | "cluster-reset" | "server")
            }
            (Role::Server, None) => false,
        }
    }

    /// Which word of the command it is, counted behind the role.
    fn number(&self, word: &Word) -> Option<usize> {
        let index = self.given.iter().position(|given| given == word)?;
        index.checked_add(1)
    }

    fn drop_empty_items(&mut self) {
        for (name, option) in &mut self.merge.options {
            let empty = option.values.iter().position(|item| item.value.is_empty());
            if let Some(empty) = empty
                && option.values.len() > 1
                && command_line::drops_an_empty_item(name, self.version)
            {
                option.values.remove(empty);
            }
        }
    }

    /// The words that the files become, without those that a server skips.
    fn file_words(&mut self, keys: &[Key]) -> Vec<Word> {
        let mut kept = Vec::new();
        for key in keys {
            // K3s looks the name up without its dashes, and only up to the first `=`.
            let flag = key.flag();
            let flag = flag.split('=').next().unwrap_or_default();
            let shown = shown_name(flag);
            let known = self.options.find(flag.trim_start_matches('-')).is_some();
            for word in key.words() {
                if !known && self.version.minor > NEWEST_CATALOGUED_MINOR {
                    self.remarks.push(Remark {
                        text: format!(
                            "whether K3s {} has an option {shown} is not known here; it is left out: look it up, or update k3warden",
                            self.version
                        ),
                        from: Some(word.place),
                    });
                    continue;
                }
                if known || !self.filters {
                    kept.push(word);
                    continue;
                }
                let skipped = SkippedKey {
                    flag: shown.to_owned(),
                    place: word.place,
                };
                self.merge.warnings.push(skipped.warning());
                self.skipped.push(skipped);
            }
        }
        kept
    }

    fn apply(&mut self, setting: Setting) {
        let Some(option) = self.options.find(setting.option) else {
            return;
        };
        let list = option.kind == OptionKind::List;
        let sourced = Sourced {
            value: setting.value,
            place: setting.place,
        };
        let set = self
            .merge
            .options
            .entry(option.target().to_owned())
            .or_insert_with(|| SetOption {
                list,
                values: Vec::new(),
                overrode: Vec::new(),
                outranked_by: None,
            });
        if !list {
            set.overrode.append(&mut set.values);
        }
        set.values.push(sourced);
    }

    /// Values that lost already among the files.
    fn remember_overrode(&mut self, keys: &[Key]) {
        for key in keys {
            let option = self.options.find(&key.name).map(KnownOption::target);
            if let Some(set) = option.and_then(|name| self.merge.options.get_mut(name)) {
                set.overrode.extend(key.overrode.iter().cloned());
            }
        }
    }

    /// `CheckSELinuxFlags` of releases before 1.26.
    fn both_selinux(&self) -> Option<Ending> {
        let set = |name| self.merge.options.get(name);
        match (set("disable-selinux"), set("selinux")) {
            (Some(disable), Some(_)) if self.version < NO_DISABLE_SELINUX => Some(Ending::new(
                "--disable-selinux is deprecated in favor of --selinux, and both are set",
                disable.values.last().map(|value| value.place.clone()),
            )),
            _ => None,
        }
    }
}
