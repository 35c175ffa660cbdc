use super::*;
use proptest::prelude::*;

/// The address of the key with seed 32 x 0x01 in the reference packet.
const ADDRESS: &str = "net:192.168.1.10:8008~shs:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
/// Made by the JavaScript modules over the same address.
const SIGNED: &str =
    "gcq0GaVFTyW0SrlT5eKd/jLXa+AOVSaPI6vwHEEORrT8U81M3T4pRgo66LvVC4qHkqA11eOpEC6iSuRtFEiOCw==";

fn keys() -> Keypair {
    Keypair::from_seed(&[1; 32])
}

fn claim() -> Claim {
    Claim {
        ip: "192.168.1.10".parse().unwrap(),
        port: 8008,
        key: keys().id(),
    }
}

#[test]
fn the_encrypted_form_is_that_of_javascript_peers() {
    let c = claim();
    let packet = make_sealed(c.ip, c.port, &keys(), &NetworkKey::MAIN).unwrap();
    assert_eq!(packet.len(), 164);
    assert_eq!(STANDARD.encode(&packet[100..]), SIGNED);
    let read = parse_sealed(&packet, &NetworkKey::MAIN).unwrap();
    assert_eq!(
        read,
        Beacon {
            claims: vec![c],
            verified: true
        }
    );
}

#[test]
fn what_is_not_signed_by_its_key_is_read_as_unproven() {
    let c = claim();
    let packet = make_sealed(c.ip, c.port, &keys(), &NetworkKey::MAIN).unwrap();
    let bare = parse_sealed(&packet[..100], &NetworkKey::MAIN).unwrap();
    assert!(!bare.verified && bare.claims == [c]);
    let mut forged = packet.clone();
    forged[120] ^= 1;
    let forged = parse_sealed(&forged, &NetworkKey::MAIN).unwrap();
    assert!(!forged.verified);
    let mut damaged = packet.clone();
    damaged[30] ^= 1;
    assert_eq!(
        parse_sealed(&damaged, &NetworkKey::MAIN),
        Err(BeaconError::Sealed)
    );
    assert_eq!(
        parse_sealed(&packet, &NetworkKey::from_bytes([7; 32])),
        Err(BeaconError::Sealed)
    );
}

#[test]
fn the_plain_form_is_one_short_address() {
    let packet = make_plain(&claim()).unwrap();
    assert_eq!(packet, ADDRESS.as_bytes());
    let long = Claim {
        ip: "fe80:1111:2222:3333:4444:5555:6666:7777".parse().unwrap(),
        port: 65535,
        ..claim()
    };
    assert!(make_plain(&long).unwrap().len() <= MAX_PLAIN);
}

#[test]
fn lists_are_read_and_what_cannot_be_used_is_passed_over() {
    let key = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
    let text = format!(
        "ws:192.168.1.10:8989~shs:{key};net:pub.example:8008~shs:{key};\
         net:192.168.1.10:8008~shs:{key};net:fe80::1%eth0:8008~shs:@{key}.ed25519;net:0.0.0.0:1~shs:{key}"
    );
    let read = parse_plain(text.as_bytes()).unwrap();
    let ips: Vec<String> = read.claims.iter().map(|c| c.ip.to_string()).collect();
    assert_eq!(ips, ["192.168.1.10", "fe80::1"]);
    assert!(!read.verified);
    // An invite in a beacon is nothing that was meant for everybody.
    let seed = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let invite = format!("net:192.168.1.10:8008~shs:{key}:{seed}");
    assert_eq!(parse_plain(invite.as_bytes()), Err(BeaconError::NoAddress));
    assert_eq!(parse_plain(&[b'a'; 1025]), Err(BeaconError::Length));
    assert_eq!(parse_plain(&[]), Err(BeaconError::Length));
    assert_eq!(parse_plain(&[0xff; 20]), Err(BeaconError::Shape));
    // However many are joined, a few are read.
    let many = [ADDRESS; 12].join(";");
    assert_eq!(parse_plain(many.as_bytes()).unwrap().claims.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_made_reads_back(seed: [u8; 32], net: [u8; 32], ip: std::net::IpAddr, port in 1u16..) {
        let keys = Keypair::from_seed(&seed);
        let network = NetworkKey::from_bytes(net);
        let claim = Claim { ip: ip.to_canonical(), port, key: keys.id() };
        prop_assume!(!ip.to_canonical().is_unspecified() && !ip.to_canonical().is_multicast());
        let sealed = make_sealed(claim.ip, port, &keys, &network).unwrap();
        let read = parse_sealed(&sealed, &network).unwrap();
        prop_assert!(read.verified);
        prop_assert_eq!(read.claims, vec![claim]);
        let plain = parse_plain(&make_plain(&claim).unwrap()).unwrap();
        prop_assert_eq!(plain.claims, vec![claim]);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
        for read in [parse_plain(&bytes), parse_sealed(&bytes, &NetworkKey::MAIN)].into_iter().flatten() {
            prop_assert!((1..=MAX_ADDRESSES).contains(&read.claims.len()));
        }
    }
}
