//! Settings and requirements in words.

use std::fmt;

use super::{ManifestSetting, Requirement, Setting, SettingBody, Unless};

impl fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(value) => write!(formatter, "{value}"),
            Self::NotEquals(value) if value.is_empty() => formatter.write_str("not empty"),
            Self::NotEquals(value) => write!(formatter, "anything but {value}"),
            Self::AtLeast(number) => write!(formatter, "at least {number}"),
            Self::AtMost(number) => write!(formatter, "at most {number}"),
            Self::MoreThan(number) => write!(formatter, "more than {number}"),
            Self::Includes(values) => write!(formatter, "includes {}", values.join(",")),
            Self::Excludes(values) => write!(formatter, "without {}", values.join(",")),
            Self::SubsetOf(values) => write!(formatter, "only of {}", values.join(",")),
            Self::OneOf(values) => write!(formatter, "one of {}", values.join(", ")),
            Self::Absent(_) => formatter.write_str("not given"),
            Self::Present(_) => formatter.write_str("given"),
            Self::NonzeroDuration(_) => formatter.write_str("a duration other than 0"),
            Self::GateNotOff(gate) => write!(formatter, "{gate} not turned off"),
            Self::Loopback(_) => formatter.write_str("an address of this machine alone"),
            Self::ModeAtMost(mode) => write!(formatter, "{mode} or stricter"),
            Self::TlsUrls(keys) => write!(formatter, "{} by TLS only", keys.join(", ")),
            Self::LocalUrls(keys) => {
                write!(
                    formatter,
                    "{} on this machine alone, or by TLS",
                    keys.join(", ")
                )
            }
        }
    }
}

impl fmt::Display for ManifestSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, content) = (&self.name, &self.content);
        write!(formatter, "manifest {name} with content `{content}`")?;
        if let Some(namespace) = &self.servicelb_namespace {
            write!(
                formatter,
                ", while K3s runs its load balancer in {namespace}"
            )?;
        }
        match self.needs.as_slice() {
            [] => Ok(()),
            needs => write!(formatter, ", not without {}", needs.join(", ")),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            SettingBody::Sysctl(sysctl) => {
                write!(
                    formatter,
                    "kernel parameter {} = {}",
                    sysctl.key, sysctl.value
                )?;
            }
            SettingBody::Directory(directory) => {
                write!(
                    formatter,
                    "directory {} {} or stricter",
                    directory.path, directory.mode
                )?;
            }
            SettingBody::File(file) => {
                write!(
                    formatter,
                    "file {} with content `{}`, {}",
                    file.path, file.content, file.mode
                )?;
                if let Some(section) = &file.section {
                    write!(formatter, ", section {section}")?;
                }
            }
            SettingBody::Permissions(permissions) => {
                write!(
                    formatter,
                    "{} {} or stricter, root:root",
                    permissions.path, permissions.mode
                )?;
            }
            SettingBody::Option(option) => {
                write!(formatter, "K3s option {}: {}", option.name, option.require)?;
            }
            SettingBody::Argument(argument) => {
                write!(
                    formatter,
                    "{} --{}: {}",
                    argument.component, argument.flag, argument.require
                )?;
                if let Some(section) = &argument.section {
                    write!(formatter, ", with a section {section} in the file")?;
                }
                if let Some(Unless { flag, equals }) = &argument.unless {
                    write!(formatter, ", unless --{flag} is {equals}")?;
                }
            }
            SettingBody::Manifest(manifest) => write!(formatter, "{manifest}")?,
        }
        if self.k3s.is_any() {
            Ok(())
        } else {
            write!(formatter, " (K3s {})", self.k3s)
        }
    }
}
