//! The two things that are needed of an X.509 certificate: when it ends, and whose it is.

use chrono::{DateTime, NaiveDateTime, Utc};

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) not_after: DateTime<Utc>,
    /// The public key in the certificate's own form; for RSA, that of PKCS#1.
    pub(super) public_key: &'a [u8],
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`: the version.
const VERSION: u8 = 0xA0;

/// Reads a certificate in DER.
pub(super) fn certificate(der: &[u8]) -> Option<Parts<'_>> {
    let mut outer = der;
    let mut certificate = expect(&mut outer, SEQUENCE)?;
    let mut body = expect(&mut certificate, SEQUENCE)?;
    if body.first() == Some(&VERSION) {
        expect(&mut body, VERSION)?;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        element(&mut body)?;
    }
    let mut validity = expect(&mut body, SEQUENCE)?;
    element(&mut validity)?;
    let not_after = time(element(&mut validity)?)?;
    // Subject.
    element(&mut body)?;
    let mut key_info = expect(&mut body, SEQUENCE)?;
    expect(&mut key_info, SEQUENCE)?;
    // The first byte counts unused bits.
    let public_key = expect(&mut key_info, BIT_STRING)?.strip_prefix(&[0])?;
    Some(Parts {
        not_after,
        public_key,
    })
}

fn expect<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, content) = element(input)?;
    (found == tag).then_some(content)
}

/// Takes one element off the input: its tag and its content.
fn element<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let bytes = usize::from(first & 0x7F);
        if bytes == 0 || bytes > 4 {
            return None;
        }
        let (digits, tail) = rest.split_at_checked(bytes)?;
        length = digits
            .iter()
            .fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = tail;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((tag, content))
}

fn time((tag, content): (u8, &[u8])) -> Option<DateTime<Utc>> {
    let text = std::str::from_utf8(content).ok()?;
    let full = match tag {
        // Two digits of the year: from 1950 to 2049.
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    NaiveDateTime::parse_from_str(&full, "%Y%m%d%H%M%SZ")
        .ok()
        .map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::pem;

    fn fixture() -> Vec<u8> {
        let text = include_str!("../../tests/fixtures/certificate/certificate.pem");
        pem::blocks(text).remove(0).der
    }

    #[test]
    fn a_certificate_says_when_it_ends_and_whose_it_is() {
        let der = fixture();
        let parts = certificate(&der).unwrap();
        assert!(parts.not_after > "2100-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
        // A 2048-bit modulus and its exponent.
        assert_eq!(parts.public_key.len(), 270);
    }

    #[test]
    fn two_digits_of_a_year_are_enough() {
        let check = |tag, text: &str, expect: &str| {
            assert_eq!(time((tag, text.as_bytes())), Some(expect.parse().unwrap()));
        };
        check(UTC_TIME, "490101000000Z", "2049-01-01T00:00:00Z");
        check(UTC_TIME, "500101000000Z", "1950-01-01T00:00:00Z");
        check(GENERALIZED_TIME, "21261125000000Z", "2126-11-25T00:00:00Z");
        assert_eq!(time((0x02, b"x")), None);
    }

    proptest! {
        #[test]
        fn damage_is_refused_and_never_a_panic(cut in 0_usize..900, at in 0_usize..900, byte: u8) {
            let mut der = fixture();
            let length = der.len();
            der[at % length] = byte;
            der.truncate(cut);
            let _ = certificate(&der);
            prop_assert!(certificate(&fixture()[..cut.min(length / 2)]).is_none());
        }
    }
}
