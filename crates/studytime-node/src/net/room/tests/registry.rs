use crate::net::room::*;

fn id(n: u8) -> FeedId {
    FeedId::from_bytes([n; 32])
}

#[test]
fn an_older_connection_cannot_empty_a_room_that_was_entered_anew() {
    let rooms = Rooms::default();
    assert!(rooms.enter(id(1), 7, None));
    assert!(rooms.enter(id(1), 8, Some("Moss".into())));
    let here = format!(r#"["{}"]"#, id(2));
    rooms
        .tell(&id(1), 8, |p| p.endpoints(here.as_bytes()))
        .unwrap();
    rooms.tell(&id(1), 7, |p| p.endpoints(b"[]")).unwrap();
    rooms.leave(&id(1), 7);
    let there = || {
        let mut there = Vec::new();
        rooms.each(|_, room| there.extend(room.presence.ids()));
        there
    };
    assert_eq!(there(), [id(2)]);
    assert_eq!(rooms.connection(&id(1)), Some(8));
    rooms.leave(&id(1), 8);
    assert!(there().is_empty());
}

#[test]
fn rooms_and_tunnels_are_counted() {
    let rooms = Rooms::default();
    for n in 0..MAX_ROOMS {
        assert!(rooms.enter(id(u8::try_from(n).unwrap()), 1, None));
    }
    assert!(!rooms.enter(id(200), 1, None));
    assert!(rooms.enter(id(0), 2, None), "one of them again");
    let mut slots: Vec<_> = (0..MAX_TUNNELS).map(|_| rooms.slot().unwrap()).collect();
    assert!(rooms.slot().is_none());
    slots.pop();
    assert!(rooms.slot().is_some());
}
