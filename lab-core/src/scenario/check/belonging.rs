//! Which expectations belong to which kinds of steps.

use crate::model::{Diagnostic, Place, Spanned};
use crate::scenario::checked::Kind;
use crate::scenario::wishes::Wishes;

/// Expectations that nothing of this kind can meet.
pub(super) fn misplaced(wishes: &Wishes, kind: Kind, diagnostics: &mut Vec<Diagnostic>) {
    use Kind::{Dns, Http, Pool, Run, Smtp, Tcp, Udp};
    let place = || Some(wishes.place.clone());
    let first = |list: &[Spanned<String>]| list.first().map(|one| one.place.clone());
    let texts = &[Run, Http, Dns, Udp, Smtp][..];
    let asks = &[Http, Dns, Tcp, Udp, Smtp][..];
    let ways = &[Run, Http, Dns, Tcp, Udp, Smtp][..];
    let keys: [(&str, &[Kind], Option<Place>); 22] = [
        (
            "exit",
            &[Run],
            wishes.exit.as_ref().map(|one| one.place.clone()),
        ),
        (
            "status",
            &[Http, Smtp],
            wishes.status.first().map(|one| one.place.clone()),
        ),
        (
            "fails",
            asks,
            wishes.fails.as_ref().map(|one| one.place.clone()),
        ),
        ("contains", texts, first(&wishes.contains)),
        ("lacks", texts, first(&wishes.lacks)),
        ("matches", texts, first(&wishes.matches)),
        (
            "equals",
            texts,
            wishes.equals.as_ref().map(|one| one.place.clone()),
        ),
        ("complains", &[Run], first(&wishes.complains)),
        (
            "header",
            &[Http],
            wishes.header.first().map(|(key, _)| key.place.clone()),
        ),
        (
            "json",
            &[Http, Run],
            wishes.json.first().map(|(key, _)| key.place.clone()),
        ),
        (
            "certificate",
            &[Http, Smtp],
            wishes.certificate.as_ref().map(|one| one.place.clone()),
        ),
        (
            "answers",
            &[Dns],
            wishes.answers.as_ref().and_then(|_| place()),
        ),
        (
            "code",
            &[Dns],
            wishes.code.as_ref().map(|one| one.place.clone()),
        ),
        (
            "path",
            ways,
            wishes.path.as_ref().map(|one| one.place.clone()),
        ),
        ("never", ways, first(&wishes.never)),
        (
            "dropped",
            ways,
            wishes.dropped.as_ref().map(|one| one.place.clone()),
        ),
        (
            "permitted",
            ways,
            wishes.permitted.first().map(|one| one.place.clone()),
        ),
        (
            "authenticated",
            ways,
            wishes.authenticated.as_ref().map(|one| one.place.clone()),
        ),
        (
            "balance",
            ways,
            wishes.balance.as_ref().map(|one| one.place.clone()),
        ),
        (
            "counters",
            ways,
            wishes.counters.first().map(|(key, _)| key.place.clone()),
        ),
        ("order", ways, first(&wishes.order)),
        (
            "members",
            &[Pool],
            wishes.members.first().map(|(key, _)| key.place.clone()),
        ),
    ];
    for (key, kinds, place) in keys {
        if let (false, Some(place)) = (kinds.contains(&kind), place) {
            let whose: Vec<String> = kinds.iter().map(|one| format!("`{}`", one.key())).collect();
            diagnostics.push(Diagnostic::error(
                "scenario::misplaced-key",
                format!("`{key}` is an expectation of {}.", whose.join(", ")),
                &place,
                format!("in a step that is `{}`", kind.key()),
            ));
        }
    }
}
