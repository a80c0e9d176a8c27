//! Client addresses in all the forms in which the service writes them.

use super::Event;
use crate::json::Object;
use crate::random::Random;

/// An address of the documentation ranges, or now and then a public-looking one, so that geographic lookups have work.
pub(super) fn public_v4(random: &mut Random) -> String {
    let last = 1 + random.below(254);
    match random.below(10) {
        0..=2 => format!("192.0.2.{last}"),
        3..=5 => format!("198.51.100.{last}"),
        6..=8 => format!("203.0.113.{last}"),
        _ => random
            .pick(&["81.2.69.142", "89.160.20.112", "175.16.199.37", "216.160.83.57"])
            .to_string(),
    }
}

/// An address of the documentation range of version 6.
pub(super) fn public_v6(random: &mut Random) -> String {
    format!(
        "2001:db8:{:x}:{:x}::{:x}",
        random.below(0xffff),
        random.below(0xffff),
        1 + random.below(0xfffe)
    )
}

/// Writes `key` with the address of the person, in a form that the service was seen to use; or not at all.
pub(super) fn write(record: &mut Object<'_>, event: &mut Event<'_>, key: &str) {
    let v4 = &event.person.ip;
    let random = &mut event.random;
    let port = 1024 + random.below(60_000);
    let text = match random.below(100) {
        0..=66 => v4.clone(),
        67..=74 => format!("{v4}:{port}"),
        75..=82 => public_v6(random),
        83..=86 => format!("[{}]:{port}", public_v6(random)),
        87..=88 => format!("[{}]", public_v6(random)),
        89..=91 => format!("[{v4}]:{port}"),
        92..=93 => format!("::ffff:{v4}"),
        94 => "::1".to_owned(),
        95 => String::new(),
        96 => format!("mail{}.relay.example:{port}", random.below(9)),
        97 => format!("mail{}.relay.example", random.below(9)),
        98 => {
            record.null(key);
            return;
        }
        _ => return,
    };
    record.str(key, &text);
}
