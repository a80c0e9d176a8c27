//! The samples of `/metrics`, in the text format of Prometheus, as far as the view needs them.
//!
//! Of our own, because the ready-made parsers cut labels at every comma, brace and equals sign, also those in quotes, and
//! pass over what they do not understand. Here what is not understood is an error: numbers that are wrong in silence are
//! worse than none.

use std::collections::HashMap;

/// Samples by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Samples(HashMap<String, Vec<Sample>>);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    labels: Vec<(String, String)>,
    pub(super) value: f64,
}

impl Sample {
    /// The value of a label; empty if there is none, which is the same to Prometheus.
    pub(super) fn label(&self, name: &str) -> &str {
        let label = self.labels.iter().find(|(known, _)| known == name);
        label.map_or("", |(_, value)| value)
    }
}

impl Samples {
    /// Reads all samples whose names `wanted` chooses. The error names the line.
    pub(super) fn parse(text: &str, wanted: impl Fn(&str) -> bool) -> Result<Self, String> {
        let mut samples = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let name_end = line.find(['{', ' ']).unwrap_or(line.len());
            let (name, rest) = line.split_at(name_end);
            if name.is_empty() {
                return Err(format!("line {number} has no name"));
            }
            if wanted(name) {
                let sample = sample(rest).ok_or_else(|| format!("line {number} is no sample"))?;
                samples.0.entry(name.to_owned()).or_default().push(sample);
            }
        }
        Ok(samples)
    }

    /// All samples of a name, in their order.
    pub(super) fn of(&self, name: &str) -> &[Sample] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of the sample with these labels, whatever others it has.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &&Sample| labels.iter().all(|(name, value)| sample.label(name) == *value);
        self.of(name).iter().find(has).map(|sample| sample.value)
    }
}

/// What follows a name: labels, value, and perhaps a time.
fn sample(rest: &str) -> Option<Sample> {
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next()?.parse().ok()?;
    let time = words.next();
    let whole = time.is_none_or(|time| time.parse::<f64>().is_ok()) && words.next().is_none();
    whole.then_some(Sample { labels, value })
}

type Labels = Vec<(String, String)>;

/// `name="value",…}` and what follows.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.push((name.to_owned(), value));
        rest = match after.strip_prefix(',') {
            Some(after) => after,
            None if after.starts_with('}') => after,
            None => return None,
        };
    }
}

/// Up to the closing quote, which is taken too.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, text.get(at + 1..)?)),
            (_, '\\') => value.push(match chars.next()?.1 {
                'n' => '\n',
                other @ ('"' | '\\') => other,
                _ => return None,
            }),
            (_, other) => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Samples, String> {
        Samples::parse(text, |_| true)
    }

    #[test]
    fn labels_may_hold_what_separates_them() {
        let text = "# TYPE a counter\na_total{x=\"b,c=}d\",y=\"\\\"e\\\\\\n\"} 3\na_total 4.5 1700000000\nn +Inf\n# EOF\n";
        let samples = parse(text).unwrap();
        let [first, second] = samples.of("a_total") else {
            panic!("{samples:?}")
        };
        assert_eq!(first.label("x"), "b,c=}d");
        assert_eq!(first.label("y"), "\"e\\\n");
        assert_eq!((first.value, second.value), (3.0, 4.5));
        assert_eq!(samples.value("n", &[]), Some(f64::INFINITY));
        assert_eq!(samples.value("a_total", &[("x", "other")]), None);
        assert!(samples.of("b").is_empty());
    }

    #[test]
    fn what_is_no_sample_is_refused_with_its_line() {
        for bad in [
            "a",
            "a{x=\"b} 1",
            "a{x} 1",
            "a{x=\"b\"y=\"c\"} 1",
            "a{x=\"\\t\"} 1",
            "a b",
            "a 1 2 3",
            " 1",
            "a{x=\"b\"}",
        ] {
            let error = parse(&format!("ok 1\n{bad}\n")).unwrap_err();
            assert!(error.starts_with("line 2 "), "{bad}: {error}");
        }
    }

    #[test]
    fn what_is_not_wanted_is_not_even_read() {
        let samples = Samples::parse("a 1\nb{broken 2\n", |name| name == "a").unwrap();
        assert_eq!(samples.value("a", &[]), Some(1.0));
    }
}
