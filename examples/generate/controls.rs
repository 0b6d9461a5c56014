//! The control reference, from the catalogue.

use std::fmt::Write;

use k3warden::catalogue::{Catalogue, Control, Editions, Enforcement, SettingBody};

const BEGINNING: &str = "\
# Controls

Generated from the catalogue by `cargo run --example generate`; do not edit. Modes are upper bounds: stricter ones hold. Where a
control names a value, an operator's stricter value holds as well.

On a node `k3warden explain NAME` (or a CIS number) shows the same, with this node's values and where they come from. To accept that
a control is not held, put this into `/etc/k3warden/config.toml`:

```toml
[[exception]]
control = \"NAME\"
reason  = \"why it is not held\"
owner   = \"who answers for it\"
expires = 2027-01-31
```

To only judge a control, or not to look at it: `[control.NAME]` with `state = \"observe\"` or `state = \"off\"`.

`{data_dir}` is K3s's data directory, `{config_dir}` the directory of its configuration, `{unit}` the file of its unit. CIS numbers
are those of the CIS Kubernetes Benchmark's editions as the K3s self-assessments use them.
";

/// A heading and the controls below it.
type Group = (&'static str, fn(&Control) -> bool);

/// The groups of the reference, in their order.
const GROUPS: &[Group] = &[
    ("Workloads", |control| control.restricts_workloads),
    ("Kernel parameters", |control| {
        has(control, |body| matches!(body, SettingBody::Sysctl(_)))
    }),
    ("Directories", |control| {
        has(control, |body| matches!(body, SettingBody::Directory(_)))
    }),
    ("Files", |control| {
        has(control, |body| matches!(body, SettingBody::File(_)))
    }),
    ("Permissions of what K3s writes", |control| {
        has(control, |body| matches!(body, SettingBody::Permissions(_)))
    }),
    ("What K3s does well by itself", |control| {
        control.default == Enforcement::Observe
    }),
    ("K3s's configuration", |_| true),
];

/// The order of the groups on the page, by title.
const PAGE: &[&str] = &[
    "Kernel parameters",
    "Directories",
    "Files",
    "Permissions of what K3s writes",
    "K3s's configuration",
    "Workloads",
    "What K3s does well by itself",
];

/// The page.
pub fn reference() -> String {
    let catalogue = match Catalogue::built_in() {
        Ok(catalogue) => catalogue,
        Err(error) => return format!("the catalogue does not load: {error}\n"),
    };
    let mut page = BEGINNING.to_owned();
    let newest = catalogue
        .editions()
        .all()
        .last()
        .map(|edition| edition.name.clone());
    let newest = newest.unwrap_or_default();
    for title in PAGE {
        let members = catalogue
            .controls()
            .iter()
            .filter(|control| group(control) == *title);
        let members: Vec<&Control> = members.collect();
        let _ = writeln!(page, "\n## {title}\n");
        let _ = writeln!(
            page,
            "| control | what holds | CIS {newest} |\n| --- | --- | --- |"
        );
        for control in &members {
            let number = control.cis.get(&newest).unwrap_or_default();
            let _ = writeln!(
                page,
                "| [{0}](#{0}) | {1} | {number} |",
                control.id, control.title
            );
        }
        for control in members {
            entry(&mut page, control, catalogue.editions());
        }
    }
    page
}

fn has(control: &Control, is: impl Fn(&SettingBody) -> bool) -> bool {
    control.settings.iter().any(|setting| is(&setting.body))
}

fn group(control: &Control) -> &'static str {
    let found = GROUPS.iter().find(|(_, belongs)| belongs(control));
    found.map_or("", |(title, _)| title)
}

fn entry(page: &mut String, control: &Control, editions: &Editions) {
    let _ = writeln!(
        page,
        "\n### {}\n\n{}.\n\n{}\n",
        control.id,
        control.title,
        control.why.trim()
    );
    for runbook in &control.runbooks {
        let _ = writeln!(
            page,
            "By hand, K3s {}: {}\n",
            runbook.k3s,
            runbook.text.trim()
        );
    }
    let mut scope = control.role.map_or_else(
        || "servers and agents".to_owned(),
        |role| format!("{role}s"),
    );
    if !control.k3s.is_any() {
        let _ = write!(scope, ", K3s {}", control.k3s);
    }
    if let Some(datastore) = control.datastore {
        let _ = write!(scope, ", datastore {datastore}");
    }
    let _ = writeln!(page, "- For: {scope}");
    let _ = writeln!(page, "- By default: {}", by_default(control));
    let _ = writeln!(page, "- CIS: {}", numbers(control, editions));
    for (name, parameter) in &control.parameters {
        let about = parameter.about.trim().trim_end_matches('.');
        let _ = writeln!(
            page,
            "- Parameter `{name}`: {about}; default `{}`",
            parameter.default
        );
    }
    let _ = writeln!(page, "- Settings:");
    for setting in &control.settings {
        let _ = writeln!(page, "  - {setting}{}", written(&setting.body));
    }
}

const fn by_default(control: &Control) -> &'static str {
    match (control.default, control.restricts_workloads) {
        (Enforcement::Enforce, false) => "enforced",
        (Enforcement::Enforce, true) => "enforced on a new cluster, observed on one that has data",
        (Enforcement::Observe, _) => "observed",
        (Enforcement::Off, _) => "off",
    }
}

/// What we write where it is not what is required anyway.
fn written(setting: &SettingBody) -> String {
    let set = match setting {
        SettingBody::Option(option) => &option.set,
        SettingBody::Argument(argument) => &argument.set,
        _ => return String::new(),
    };
    match set {
        Some(value) if value == "{k3s_default}" => "; written: K3s's own value".to_owned(),
        Some(value) => format!("; written: `{value}`"),
        None => "; judged only".to_owned(),
    }
}

/// Numbers with the editions that use them, newest first; editions with the same number stand together.
fn numbers(control: &Control, editions: &Editions) -> String {
    let mut numbered: Vec<(&str, Vec<&str>)> = Vec::new();
    for edition in editions.all().iter().rev() {
        let Some(number) = control.cis.get(&edition.name) else {
            continue;
        };
        match numbered.iter_mut().find(|(known, _)| *known == number) {
            Some((_, names)) => names.push(&edition.name),
            None => numbered.push((number, vec![&edition.name])),
        }
    }
    if numbered.is_empty() {
        return match control.default {
            Enforcement::Enforce => "no number of its own; the K3s guide asks for it".to_owned(),
            Enforcement::Observe | Enforcement::Off => "no number of its own".to_owned(),
        };
    }
    let parts = numbered
        .iter()
        .map(|(number, names)| format!("{number} ({})", names.join(", ")));
    parts.collect::<Vec<_>>().join("; ")
}
