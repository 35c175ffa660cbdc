use super::*;
use proptest::prelude::*;

const KEY: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
const OTHER: &str = "gTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q=";
const SEED: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

#[test]
fn reads_what_peers_write() {
    for (text, host, port) in [
        (
            format!("net:192.168.1.10:8008~shs:{KEY}"),
            "192.168.1.10",
            8008,
        ),
        (
            format!("net:fe80::1%eth0:8008~shs:{KEY}"),
            "fe80::1%eth0",
            8008,
        ),
        (
            format!("net:2001:db8::1%eth0:8008~shs:{KEY}"),
            "2001:db8::1",
            8008,
        ),
        (format!("net:[::1]:9~shs:@{KEY}.ed25519"), "::1", 9),
        (format!("net:!:!:1:9~shs:{KEY}"), "::1", 9),
        (
            format!("ws:a:1~shs:{KEY};net:pub.example:8008~shs:{KEY}"),
            "pub.example",
            8008,
        ),
        (
            format!("wss://a.example~shs:{KEY};net:h:2~shs:{KEY}"),
            "h",
            2,
        ),
        (
            format!("onion:abc.onion:8008~shs:{KEY};net:h:2~shs:{KEY};"),
            "h",
            2,
        ),
        (format!("  \"net:h:1~shs:{KEY}\"\n"), "h", 1),
        (format!("<net:h:1~shs:{KEY}>"), "h", 1),
        (
            format!("net:bücher.example:1~shs:{KEY}"),
            "bücher.example",
            1,
        ),
        (
            format!("pub.example:8008:@{KEY}.ed25519"),
            "pub.example",
            8008,
        ),
        (format!("::1:8008:@{KEY}.ed25519"), "::1", 8008),
        (format!("[::1]:8008:@{KEY}.ed25519"), "::1", 8008),
        (
            format!(
                "ssb:address/multiserver?multiserverAddress={}",
                format!("net:h:1~shs:{KEY}")
                    .replace(':', "%3A")
                    .replace('=', "%3D")
            ),
            "h",
            1,
        ),
        (
            format!("ssb://address:multiserver?x=1&multiserverAddress=net:h:1~shs:{KEY}"),
            "h",
            1,
        ),
    ] {
        let a: Address = text.parse().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((a.host.as_str(), a.port), (host, port), "{text}");
        assert_eq!(a.to_string().parse::<Address>().unwrap(), a);
    }
}

#[test]
fn reads_both_invite_forms() {
    let modern: Address = format!("net:h:8008~shs:{KEY}:{SEED}").parse().unwrap();
    let legacy: Address = format!("h:8008:@{KEY}.ed25519~{SEED}").parse().unwrap();
    let redirect: Address = format!("h:8008:@{KEY}.ed25519~{SEED}#https://a.example/?b;c~d")
        .parse()
        .unwrap();
    assert_eq!(modern, legacy);
    assert_eq!(modern, redirect);
    assert_eq!(modern.seed, Some([1; 32]));
    assert_eq!(modern.to_string(), format!("h:8008:@{KEY}.ed25519~{SEED}"));
    let v6 = format!("net:fe80::1:8008~shs:{KEY}:{SEED}");
    assert_eq!(v6.parse::<Address>().unwrap().to_string(), v6);
    assert!(!format!("{modern:?}").contains(SEED));
    let all: Multiserver = modern.to_string().parse().unwrap();
    assert!(!format!("{all:?}").contains(&format!("{:?}", [1u8; 32])));
}

#[test]
fn a_tunnel_leads_through_a_room() {
    let text = format!("tunnel:@{OTHER}.ed25519:@{KEY}.ed25519~shs:{KEY}");
    let tunnel: TunnelAddress = text.parse().unwrap();
    assert_eq!(tunnel.portal.to_string(), format!("@{OTHER}.ed25519"));
    assert_eq!(tunnel.target.to_string(), format!("@{KEY}.ed25519"));
    assert_eq!(tunnel.to_string(), text);
    // A frequent fault of other programs.
    let doubled = format!("tunnel:@{OTHER}.ed25519.ed25519:@{KEY}.ed25519~shs:{KEY}");
    assert_eq!(doubled.parse::<TunnelAddress>().unwrap(), tunnel);
    let twisted = format!("tunnel:@{KEY}.ed25519:@{OTHER}.ed25519~shs:{KEY}");
    let why = twisted.parse::<TunnelAddress>().unwrap_err().why;
    assert!(why.contains("~shs key"), "{why}");
    assert!(text.parse::<Address>().is_err());
}

#[test]
fn every_alternative_is_kept_in_order() {
    let text = format!(
        "ws://pub.example:8989~shs:{KEY};onion:abc:8008~shs:{KEY};net:h:1~shs:{KEY};tunnel:@{OTHER}.ed25519:@{KEY}.ed25519~shs:{KEY};unix:/run/ssb!:x~noauth;junk"
    );
    let all: Multiserver = text.parse().unwrap();
    assert_eq!(all.ways().len(), 5);
    let targets: Vec<String> = all.targets().map(|t| t.to_string()).collect();
    assert_eq!(targets.len(), 2);
    assert!(targets[0].starts_with("net:h:1") && targets[1].starts_with("tunnel:"));
    assert!(matches!(
        &all.ways()[4].transport,
        Transport::Other { protocol, data } if protocol == "unix" && data == &["/run/ssb:x"]
    ));
    assert_eq!(all.to_string().parse::<Multiserver>().unwrap(), all);
}

#[test]
fn a_host_cannot_smuggle_in_another_address() {
    for host in [
        "a;net:b",
        "a#b",
        "a\"",
        "a\u{202e}b",
        "",
        "a/b",
        "a%b",
        "[a",
        "1:2",
        "a!;b",
        "fe80::1%",
        "::1]",
    ] {
        let legacy = format!("{host}:8008:@{KEY}.ed25519~{SEED}");
        assert!(legacy.parse::<Address>().is_err(), "{legacy}");
        let modern = format!("net:{host}:8008~shs:{KEY}");
        assert!(
            modern.parse::<Address>().is_err() || host.starts_with("a;"),
            "{modern}"
        );
    }
}

#[test]
fn says_what_is_wrong_and_with_which_part() {
    let long = format!("net:{}:1~shs:{KEY}", "a".repeat(3000));
    for (text, why) in [
        ("", "empty"),
        (";;;", "empty"),
        ("hello", "\"hello\""),
        ("net:h:8008", "no key"),
        ("net:h:0~shs:x", "its port \"0\""),
        ("net:8008~shs:x", "no port"),
        ("net::8008~shs:x", "host is empty"),
        ("net:a\u{19}b:1~shs:x", "its host \"a\\u{19}b\""),
        ("net:a b:1~shs:x", "its host \"a b\""),
        ("net:h:99999~shs:x", "its port \"99999\""),
        ("net:h:1~shs:AAAA", "its key \"AAAA\""),
        ("net:h:1~shs", "no key"),
        ("net:h:1~tls:x", "~tls"),
        (&format!("net:h:1~shs:{KEY}:abc"), "seed"),
        (&format!("net:h:1~shs:{KEY}:{SEED}:x"), "more behind"),
        (&format!("net:h:1~shs:{KEY}~shs:{KEY}"), "two keys"),
        (&format!("h:x:@{KEY}.ed25519"), "its port \"x\""),
        (&format!("h:1:@{KEY}.ed25519~abc"), "seed"),
        (&format!("h:1:@{KEY}.sha256"), "its key"),
        (&format!("onion:h:1~shs:{KEY}"), "not supported: onion"),
        (&format!("ws:h:1~shs:{KEY}"), "not supported: ws"),
        (&format!("wss://h~shs:{KEY}"), "not supported: wss"),
        ("unix:/tmp/x~noauth", "not supported: unix"),
        (&format!("bt:00!:11~shs:{KEY}"), "not supported: bt"),
        (&format!("smoke:hill~shs:{KEY}"), "the protocol \"smoke\""),
        (&format!("tunnel:@{KEY}.ed25519~shs:{KEY}"), "two keys"),
        ("tunnel:@x:@y~shs:z", "room's key \"@x\""),
        (&format!("net:h:1~shs:{KEY}!"), "ends with"),
        ("ssb:message/classic/abc", "no address"),
        ("ssb:address/multiserver?a=b", "no multiserverAddress"),
        (
            "ssb:address/multiserver?multiserverAddress=%zz",
            "no multiserverAddress",
        ),
        ("ssb:experimental?action=consume-alias", "peer invite"),
        (&long, "longer than"),
    ] {
        let e = text.parse::<Address>().unwrap_err();
        assert!(e.why.contains(why), "{text}: {e}");
    }
}

#[test]
fn an_error_does_not_show_the_seed_of_an_invite() {
    for text in [
        format!("net:h:0~shs:{KEY}:{SEED}"),
        format!("h:0:@{KEY}.ed25519~{SEED}"),
        format!("net:h:1~shs:{KEY}:{SEED}x"),
    ] {
        let e = text.parse::<Address>().unwrap_err();
        assert!(!e.to_string().contains("AQEBAQ"), "{e}");
    }
}

fn any_host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]([a-z0-9_-]{0,10}[a-z0-9])?(\\.[a-z]{1,5}){0,3}",
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
        (any::<u64>(), "[a-z0-9.]{1,8}").prop_map(|(low, zone)| {
            let ip = Ipv6Addr::from(0xfe80_u128 << 112 | u128::from(low));
            format!("{ip}%{zone}")
        }),
        // Words that begin an address or a URI.
        "net|tunnel|ws|onion|[sS]s[bB]",
    ]
}

fn any_way() -> impl Strategy<Value = Way> {
    let key = || any::<[u8; 32]>().prop_map(FeedId::from_bytes);
    let seed = || proptest::option::of(any::<[u8; 32]>());
    prop_oneof![
        (any_host(), 1..=u16::MAX, key(), seed()).prop_map(|(host, port, key, seed)| Way {
            transport: Transport::Net { host, port },
            key: Some(key),
            seed
        }),
        (key(), key()).prop_map(|(portal, target)| Way {
            transport: Transport::Tunnel { portal, target },
            key: Some(target),
            seed: None
        }),
        (
            "ws|wss|onion|unix|bt|x-1",
            proptest::collection::vec("[a-z0-9/:;~!.%@]{0,12}", 1..4),
            proptest::option::of(key())
        )
            .prop_map(|(protocol, data, key)| Way {
                transport: Transport::Other { protocol, data },
                key,
                seed: None
            }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(ways in proptest::collection::vec(any_way(), 1..5)) {
        let all = Multiserver { ways };
        let text = all.to_string();
        let again: Result<Multiserver, _> = text.parse();
        prop_assert_eq!(again.as_ref(), Ok(&all), "{}", text);
        for target in all.targets() {
            match target {
                Target::Tcp(a) => prop_assert_eq!(a.to_string().parse::<Address>().unwrap(), a),
                Target::Tunnel(t) => {
                    prop_assert_eq!(t.to_string().parse::<TunnelAddress>().unwrap(), t);
                }
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(net:|tunnel:|ssb:address/multiserver\\?multiserverAddress=)?[a-z0-9:;~!@%.\\[\\]=#/+ -]{0,80}(~shs:[A-Za-z0-9+/]{43}=)?") {
        if let Ok(all) = text.parse::<Multiserver>() {
            prop_assert_eq!(all.to_string().parse::<Multiserver>().unwrap(), all);
        }
    }

    #[test]
    fn percent_signs_are_undone(text in "\\PC{0,40}") {
        let written: String = text.bytes().map(|b| format!("%{b:02x}")).collect();
        let read = uri::percent_decode(&written);
        prop_assert_eq!(read.as_deref(), Some(text.as_str()));
    }
}
