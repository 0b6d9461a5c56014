//! The VPN that K3s brings a node into (pkg/vpn/vpn.go).

use crate::k3s::Ending;
use crate::k3s::component::options::Options;

/// What K3s refuses of `vpn-auth` before it asks the VPN. The reason cites nothing of it, which holds a key.
pub(super) fn endings(options: Options<'_>) -> Option<Ending> {
    let given = options.text("vpn-auth")?;
    if options.text("vpn-auth-file").is_some() {
        return None;
    }
    let reason = refusal(given)?;
    Some(Ending::of_k3s(
        format!("failed to initialize executor: {reason}"),
        options.place("vpn-auth"),
    ))
}

fn refusal(given: &str) -> Option<&'static str> {
    let own = given.split(",extraArgs=").next().unwrap_or_default();
    let (mut name, mut key) = ("", "");
    for parameter in own.split(',') {
        let mut parts = parameter.split('=');
        match (parts.next().unwrap_or_default(), parts.next()) {
            ("name", Some(value)) => name = value,
            ("joinKey", Some(value)) => key = value,
            ("controlServerURL", Some(_)) => {}
            ("name" | "joinKey" | "controlServerURL", None) => {
                return Some("server panicked: a parameter of vpn-auth has no value");
            }
            _ => {
                return Some("VPN Error. The passed VPN auth info includes an unknown parameter");
            }
        }
    }
    match (name, key) {
        ("tailscale", "") => Some("VPN Error. Tailscale requires a JoinKey"),
        ("tailscale", _) => None,
        _ => Some("the requested VPN is not supported. We currently only support tailscale"),
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::ending;

    #[test]
    fn a_vpn_is_tailscale_with_a_key_and_its_key_is_not_cited() {
        for (given, words) in [
            ("hunter2", "an unknown parameter"),
            ("name=tailscale,joinkey=hunter2", "an unknown parameter"),
            ("name=tailscale", "requires a JoinKey"),
            ("name=other,joinKey=hunter2", "only support tailscale"),
            ("name", "has no value"),
            ("name=tailscale,joinKey=hunter2", ""),
            ("name=tailscale,joinKey=hunter2,extraArgs=--x,y=z", ""),
        ] {
            let reason = ending("vpn-auth", &[given]).unwrap_or_default();
            let as_said = reason.contains(words) && reason.is_empty() == words.is_empty();
            assert!(as_said && !reason.contains("hunter2"), "{given}: {reason}");
        }
    }
}
