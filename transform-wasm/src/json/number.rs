//! Numbers as text: from the wire spelling, without a detour over floating point where one can be avoided.

use bumpalo::Bump;

/// More digits than any identifier has; beyond it an exponent is an attack, not a number.
const MAX_DIGITS: usize = 64;

/// The string form that the reference writes: integers in decimal, floats as `1.0` and `1.0E9`.
pub(crate) fn to_text<'a>(number: &'a str, bump: &'a Bump) -> &'a str {
    if !number.contains(['.', 'e', 'E']) {
        return number;
    }
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => bump.alloc_str(&java_double(value)),
        _ => number,
    }
}

/// `Double.toString` of Java.
fn java_double(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:E}");
    match scientific.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => scientific,
    }
}

/// A number cut to its whole part and spelled without exponent; `None` if it is no number or absurdly long.
pub(crate) fn to_integer(number: &str) -> Option<Integer> {
    let (negative, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
    let kept = usize::try_from(point.max(0)).ok()?;
    if kept > MAX_DIGITS {
        return None;
    }
    let cut = digits.get(kept..).unwrap_or("");
    let integral = cut.bytes().all(|byte| byte == b'0');
    let whole = format!("{:0<kept$}", &digits[..kept.min(digits.len())]);
    let whole = whole.trim_start_matches('0');
    let text = match (whole, negative) {
        ("", _) => "0".to_owned(),
        (whole, false) => whole.to_owned(),
        (whole, true) => format!("-{whole}"),
    };
    Some(Integer { text, integral })
}

/// The whole part of a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    pub(crate) text: String,
    /// Whether nothing was cut off.
    pub(crate) integral: bool,
}
