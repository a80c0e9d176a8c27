//! Public suffixes: the domains below which anybody can register a name.
//!
//! `suffixes.txt` is the part of the Public Suffix List (publicsuffix.org, Mozilla Public License 2.0) that the registries
//! maintain, as `cargo xtask suffixes` takes it from the crate `psl`: sorted, one rule a line.

use crate::json::tag;

/// Ends with a line feed.
static RULES: &str = include_str!("suffixes.txt");

/// The exceptions and the wildcards, which are few and come first, end here.
const PLAIN: usize = {
    let rules = RULES.as_bytes();
    let (mut at, mut line) = (0, 0);
    while matches!(rules[line], b'!' | b'*') {
        if rules[at] == b'\n' {
            line = at + 1;
        }
        at += 1;
    }
    line
};

/// Of each plain rule one of 2^16 bits: nearly every name that is no suffix lacks its bit, and is not searched for.
static MAYBE: [u64; 1 << 10] = {
    let (_, mut rest) = RULES.as_bytes().split_at(PLAIN);
    let mut bits = [0; 1 << 10];
    let mut end = 0;
    while end < rest.len() {
        if rest[end] == b'\n' {
            let (rule, behind) = rest.split_at(end);
            let (place, bit) = place_of(rule);
            bits[place] |= bit;
            (_, rest) = behind.split_at(1);
            end = 0;
        } else {
            end += 1;
        }
    }
    bits
};

const fn place_of(rule: &[u8]) -> (usize, u64) {
    let tag = tag(rule);
    ((tag >> 22) as usize, 1 << (tag >> 16 & 63))
}

/// No rule has more labels.
const MAX_LABELS: usize = 5;

/// The length of a name's public suffix in bytes; the name is in lower case. Nothing if no rule fits.
pub(super) fn public_suffix(name: &str) -> Option<usize> {
    let (special, plain) = RULES.split_at(PLAIN);
    let starts = name.rmatch_indices('.').map(|(at, _)| at + 1).chain([0]);
    let mut longest = None;
    let mut below = None;
    for start in starts.take(MAX_LABELS) {
        let suffix = &name[start..];
        let parent = below.replace(suffix);
        if let Some(parent) = parent {
            if holds(special, "!", suffix) {
                return Some(parent.len());
            }
            if holds(special, "*.", parent) {
                longest = Some(suffix.len());
            }
        }
        let (place, bit) = place_of(suffix.as_bytes());
        if MAYBE[place] & bit != 0 && holds(plain, "", suffix) {
            longest = Some(suffix.len());
        }
    }
    longest
}

/// Whether there is a rule that consists of these two parts.
fn holds(rules: &str, mark: &str, suffix: &str) -> bool {
    let rules = rules.as_bytes();
    let (mut low, mut high) = (0, rules.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let start = rules[low..middle]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(low, |at| low + at + 1);
        let Some(length) = rules[start..].iter().position(|byte| *byte == b'\n') else {
            return false;
        };
        let rule = &rules[start..start + length];
        let (head, tail) = rule.split_at(mark.len().min(length));
        match mark
            .as_bytes()
            .cmp(head)
            .then_with(|| suffix.as_bytes().cmp(tail))
        {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => high = start,
            std::cmp::Ordering::Greater => low = start + length + 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use psl::{List, Psl as _, Type};

    use super::*;

    /// What the crate says: above a rule of a company, there is one of a registry.
    fn of_crate(name: &str) -> Option<usize> {
        let mut labels = name.split('.').count();
        while labels > 0 {
            let found = List.find(name.rsplit('.').take(labels).map(str::as_bytes));
            match found.typ? {
                Type::Icann => return Some(found.len),
                Type::Private => labels = name[name.len() - found.len..].split('.').count() - 1,
            }
        }
        None
    }

    /// Fails after an update of the crate that brings other rules: `cargo xtask suffixes`.
    #[test]
    fn every_rule_is_the_one_of_the_crate() {
        assert!(RULES.ends_with('\n') && RULES.lines().is_sorted());
        assert!(RULES.lines().count() > 5000);
        for rule in RULES.lines().filter(|rule| !rule.contains("xn--")) {
            let name = rule.trim_start_matches(['!', '*', '.']);
            assert!(name.split('.').count() < MAX_LABELS, "{rule}");
            for name in [name.to_owned(), format!("a.{name}"), format!("a.b.{name}")] {
                assert_eq!(public_suffix(&name), of_crate(&name), "{name}");
            }
        }
    }

    #[test]
    fn names_of_other_scripts_have_two_spellings() {
        assert_eq!(public_suffix("a.公司.cn"), Some("公司.cn".len()));
        assert_eq!(public_suffix("a.xn--55qx5d.cn"), Some("xn--55qx5d.cn".len()));
    }

    proptest! {
        #[test]
        fn any_name_has_the_suffix_that_the_crate_says(
            labels in prop::collection::vec("(a|b|com|co|uk|jp|kobe|city|kawasaki|ck|www|github|io|net|)", 0..6)
        ) {
            let name = labels.join(".");
            prop_assert_eq!(public_suffix(&name), of_crate(&name), "{}", name);
        }
    }
}
