//! Which cluster a server makes or joins, and where its data are.

use crate::k3s::component::Node;
use crate::k3s::component::options::Options;
use crate::k3s::component::releases::Since;
use crate::k3s::{Ending, Files};

/// From here on kine takes no address without a scheme; before, that was a file of SQLite (kine 70a99f8, 0.13.0). In the
/// older minors a backport is possible that nobody looked for.
const SCHEME_REQUIRED: &str = "1.31.2";
/// The newest release of each minor that has kine from before that.
const SCHEME_OPTIONAL_UNTIL_MINOR: u16 = 28;
/// From here on a token of kubeadm's form is none of a server's (K3s cf9ebb325); its backports were not looked for.
const BOOTSTRAP_TOKENS: &str = "1.27.2";

/// What a server refuses of its place in a cluster.
pub(super) fn endings(options: Options<'_>, node: &Node, files: &Files<'_>) -> Vec<Ending> {
    let refusals = [
        server(options),
        datastore(options, node),
        datastore_files(options, node, files),
        token(options, node),
        listener(options),
        restoration(options, node, files),
    ];
    refusals.into_iter().flatten().collect()
}

/// The server to join; without a token it is not asked (pkg/cluster/bootstrap.go).
fn server(options: Options<'_>) -> Option<Ending> {
    let joins = ["token", "token-file"].map(|name| options.text(name));
    let server = options.text("server").filter(|_| joins != [None, None])?;
    let scheme = match server.split_once("://") {
        Some(("https", _)) => return None,
        Some((scheme, _)) => scheme,
        None => server,
    };
    let reason = format!("only https:// URLs are supported, invalid scheme: {scheme}");
    Some(Ending::of_k3s(reason, options.place("server")))
}

/// kine's drivers, of all releases: `pkg/drivers` of 0.16.3, of which older ones have fewer.
const DATASTORES: [&str; 13] = [
    "http",
    "https",
    "jetstream",
    "litestream",
    "memory",
    "mysql",
    "nats",
    "postgres",
    "postgresql",
    "sqlite",
    "t4",
    "unix",
    "unixs",
];
/// Those of 0.9.3, for K3s 1.24 (`pkg/endpoint` getKineStorageBackend).
const DATASTORES_OF_OLD: [&str; 7] = [
    "http",
    "https",
    "jetstream",
    "mysql",
    "nats",
    "postgres",
    "sqlite",
];

fn datastore(options: Options<'_>, node: &Node) -> Option<Ending> {
    let endpoint = options.text("datastore-endpoint")?;
    let new = Since::parse(SCHEME_REQUIRED)?.reached(node.version);
    let old = node.version.minor <= SCHEME_OPTIONAL_UNTIL_MINOR;
    let known = if new {
        &DATASTORES[..]
    } else {
        &DATASTORES_OF_OLD[..]
    };
    let reason = match endpoint.split_once("://") {
        None if new => {
            "invalid datastore endpoint; endpoint should be a DSN URI in the format <scheme>://<authority>"
        }
        Some((scheme, _)) if new && !known.contains(&scheme) => {
            "creating storage endpoint: failed to create driver: unknown driver"
        }
        Some((scheme, _)) if old && node.version.minor >= 24 && !known.contains(&scheme) => {
            "creating storage endpoint: building kine: storage backend is not defined"
        }
        _ => return None,
    };
    Some(Ending::of_k3s(
        reason.to_owned(),
        options.place("datastore-endpoint"),
    ))
}

/// The data stores whose client reads its files in Go's own way (kine `pkg/tls`).
const WITH_FILES: [&str; 3] = ["http", "https", "mysql"];

fn datastore_files(options: Options<'_>, node: &Node, files: &Files<'_>) -> Option<Ending> {
    let (scheme, _) = options.text("datastore-endpoint")?.split_once("://")?;
    if !WITH_FILES.contains(&scheme) {
        return None;
    }
    let given = |name: &'static str| options.text(name).map(|path| (name, path));
    let [authority, certificate, key] = [
        "datastore-cafile",
        "datastore-certfile",
        "datastore-keyfile",
    ]
    .map(given);
    let failed = "failed to bootstrap cluster data";
    if let (Some((name, _)), None) | (None, Some((name, _))) = (certificate, key) {
        let reason = format!("{failed}: KeyFile and CertFile must both be present");
        return Some(Ending::of_k3s(reason, options.place(name)));
    }
    let mut named = [certificate, key, authority].into_iter().flatten();
    named.find_map(|(name, path)| {
        let path = node.named_file(path);
        let absent = matches!(files.kind(&path), Ok(None));
        let reason = format!(
            "{failed}: open {}: no such file or directory",
            path.display()
        );
        absent.then(|| Ending::of_k3s(reason, options.place(name)))
    })
}

/// Where K3s itself listens.
fn listener(options: Options<'_>) -> Option<Ending> {
    let names = ["supervisor-port", "https-listen-port"];
    let given = |name: &&str| options.number(name, 0) != 0;
    let name = names.into_iter().find(given)?;
    let port = options.number(name, 0);
    let reason =
        format!("failed to start supervisor listener: listen tcp: address {port}: invalid port");
    let is_port = (0..=65535).contains(&port);
    (!is_port).then(|| Ending::of_k3s(reason, options.place(name)))
}

/// The token of the cluster: a password, or what K3s itself makes of one (pkg/clientaccess/token.go parseToken). The
/// reason does not cite it.
fn token(options: Options<'_>, node: &Node) -> Option<Ending> {
    let token = options.text("token")?;
    if options.text("token-file").is_some() || is_for_servers(token, node) {
        return None;
    }
    let reason = "failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>";
    Some(Ending::of_k3s(reason.to_owned(), options.place("token")))
}

fn is_for_servers(token: &str, node: &Node) -> bool {
    let has_others =
        Since::parse(BOOTSTRAP_TOKENS).is_some_and(|since| since.reached(node.version));
    let is_bootstrap = |token: &str| has_others && is_bootstrap_token(token);
    let Some(rest) = token.strip_prefix("K10") else {
        return !is_bootstrap(token);
    };
    let credentials = match rest.split_once("::") {
        Some((hash, _)) if !matches!(hash.len(), 0 | 64) => return false,
        Some((_, credentials)) => credentials,
        None => rest,
    };
    let password = credentials.split_once(':').map(|(_, password)| password);
    !is_bootstrap(credentials) && password.is_some_and(|password| !password.is_empty())
}

/// `abcdef.0123456789abcdef` (kubernetes `cluster-bootstrap/token/api`).
fn is_bootstrap_token(token: &str) -> bool {
    let is_part = |part: &str, length: usize| {
        let mut bytes = part.bytes();
        part.len() == length && bytes.all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
    };
    let parts = token.split_once('.');
    parts.is_some_and(|(id, secret)| is_part(id, 6) && is_part(secret, 16))
}

/// A snapshot is decrypted with the token, which has to be there (pkg/cli/server/server.go).
fn restoration(options: Options<'_>, node: &Node, files: &Files<'_>) -> Option<Ending> {
    let restores =
        options.on("cluster-reset") && options.text("cluster-reset-restore-path").is_some();
    if !restores || options.text("token").is_some() {
        return None;
    }
    let path = node.data_dir.join("server/token");
    let absent = matches!(files.kind(&path), Ok(None));
    let reason = format!(
        "{} does not exist, please pass --token to complete the restoration",
        path.display()
    );
    absent.then(|| Ending::of_k3s(reason, options.place("cluster-reset-restore-path")))
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::reason;

    #[test]
    fn a_datastore_is_one_that_the_kine_of_the_release_has() {
        let format = "invalid datastore endpoint";
        let unknown = "creating storage endpoint";
        for (endpoint, version, words) in [
            ("./x.db", "1.36.3", format),
            ("./x.db", "1.31.4", format),
            ("./x.db", "1.30.5", ""),
            ("./x.db", "1.24.4", ""),
            ("etcd://a:2379", "1.36.3", unknown),
            ("etcd://a:2379", "1.31.4", unknown),
            ("etcd://a:2379", "1.24.4", unknown),
            ("postgresql://a/k", "1.24.4", unknown),
            ("postgresql://a/k", "1.31.4", ""),
            ("postgres://a/k", "1.24.4", ""),
            ("https://a:2379", "1.24.4", ""),
        ] {
            let found = reason(version, &[("datastore-endpoint", endpoint)]);
            let as_said = found.starts_with(words) && found.is_empty() == words.is_empty();
            assert!(as_said, "{endpoint} {version}: {found}");
        }
    }

    #[test]
    fn the_files_of_a_datastore_are_there_and_its_key_has_a_certificate() {
        let etcd = ("datastore-endpoint", "https://a:2379");
        for (options, words) in [
            (
                &[("datastore-cafile", "/none")][..],
                "open /none: no such file",
            ),
            (&[("datastore-certfile", "/none")], "must both be present"),
            (&[("datastore-keyfile", "/none")], "must both be present"),
            (
                &[("datastore-certfile", "/none"), ("datastore-keyfile", "/k")],
                "open /none: no such file",
            ),
        ] {
            let found = reason("1.36.3", &[&[etcd][..], options].concat());
            assert!(found.contains(words), "{options:?}: {found}");
            // SQLite has no use for them.
            assert_eq!(reason("1.36.3", options), "");
        }
    }

    #[test]
    fn k3s_listens_at_a_port() {
        for (name, value, ends) in [
            ("supervisor-port", "70000", true),
            ("supervisor-port", "9345", false),
            ("https-listen-port", "70000", true),
            ("https-listen-port", "-1", true),
            ("https-listen-port", "7443", false),
        ] {
            let found = reason("1.36.3", &[(name, value)]);
            let words = "failed to start supervisor listener";
            assert_eq!(found.starts_with(words), ends, "{name} {value}: {found}");
        }
    }

    #[test]
    fn a_token_is_a_password_or_whole_and_is_not_cited() {
        let hash = "a".repeat(64);
        let whole = format!("K10{hash}::server:x");
        for (token, version, ends) in [
            ("x", "1.36.3", false),
            (&whole, "1.36.3", false),
            ("K10::server:x", "1.36.3", false),
            ("K10abc::server:x", "1.36.3", true),
            ("K10abc::server:x", "1.24.4", true),
            ("K10", "1.36.3", true),
            ("K10::server:", "1.36.3", true),
            ("abcdef.0123456789abcdef", "1.36.3", true),
            ("abcdef.0123456789abcdef", "1.24.4", false),
        ] {
            let found = reason(version, &[("token", token)]);
            assert_eq!(!found.is_empty(), ends, "{token} {version}: {found}");
            assert!(!found.contains(token) || token == "K10", "{found}");
        }
    }

    #[test]
    fn a_restoration_without_a_token_ends() {
        let restores = [
            ("cluster-reset", "true"),
            ("cluster-reset-restore-path", "/snapshot"),
        ];
        let found = reason("1.36.3", &restores);
        let words = "/var/lib/rancher/k3s/server/token does not exist, please pass --token";
        assert!(found.starts_with(words), "{found}");
        let with_token = [&restores[..], &[("token", "x")]].concat();
        assert_eq!(reason("1.36.3", &with_token), "");
    }
}
