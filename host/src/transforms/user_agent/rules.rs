//! The rules of uap-core, applied as Elasticsearch applies them.

use regex::{Captures, Regex};
use regex_filtered::{Builder, Options, Regexes};
use serde::Deserialize;

/// Atoms shorter than this say too little to be worth a search.
const MIN_ATOM: usize = 3;

/// A file of rules. Other keys and lists are of no interest here.
#[derive(Debug, Deserialize)]
struct File {
    #[serde(rename = "user_agent_parsers")]
    agents: Vec<AgentRule>,
    #[serde(rename = "os_parsers")]
    systems: Vec<OsRule>,
    #[serde(rename = "device_parsers")]
    devices: Vec<DeviceRule>,
}

#[derive(Debug, Deserialize)]
struct AgentRule {
    regex: String,
    family_replacement: Option<String>,
    v1_replacement: Option<String>,
    v2_replacement: Option<String>,
    v3_replacement: Option<String>,
    v4_replacement: Option<String>,
}

#[derive(Debug, Deserialize)]
struct OsRule {
    regex: String,
    os_replacement: Option<String>,
    os_v1_replacement: Option<String>,
    os_v2_replacement: Option<String>,
    os_v3_replacement: Option<String>,
    os_v4_replacement: Option<String>,
}

#[derive(Debug, Deserialize)]
struct DeviceRule {
    regex: String,
    regex_flag: Option<String>,
    device_replacement: Option<String>,
}

/// What a rule makes of a text besides matching it.
struct Rule {
    ignore_case: bool,
    name: Option<String>,
    version: [Option<String>; 4],
}

/// A name with the version that stood beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) version: Option<String>,
}

/// What is known of a user agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agent {
    pub(super) program: Option<Named>,
    pub(super) os: Option<Named>,
    pub(super) device: Option<String>,
}

/// A compiled file of rules.
pub(super) struct Rules {
    agent: List,
    os: List,
    device: List,
}

impl Rules {
    /// Compiles a file; the error says what is wrong with it.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let file: File = crate::config::yaml_data(text)?;
        let agent = file.agents.into_iter().map(|rule| {
            let version = [
                rule.v1_replacement,
                rule.v2_replacement,
                rule.v3_replacement,
                rule.v4_replacement,
            ];
            (
                rule.regex,
                Rule {
                    ignore_case: false,
                    name: rule.family_replacement,
                    version,
                },
            )
        });
        let os = file.systems.into_iter().map(|rule| {
            let version = [
                rule.os_v1_replacement,
                rule.os_v2_replacement,
                rule.os_v3_replacement,
                rule.os_v4_replacement,
            ];
            (
                rule.regex,
                Rule {
                    ignore_case: false,
                    name: rule.os_replacement,
                    version,
                },
            )
        });
        let device = file.devices.into_iter().map(|rule| {
            let ignore_case = rule.regex_flag.as_deref() == Some("i");
            (
                rule.regex,
                Rule {
                    ignore_case,
                    name: rule.device_replacement,
                    version: [const { None }; 4],
                },
            )
        });
        Ok(Self {
            agent: List::compile("user_agent_parsers", agent)?,
            os: List::compile("os_parsers", os)?,
            device: List::compile("device_parsers", device)?,
        })
    }

    pub(super) fn parse(&self, text: &str) -> Agent {
        Agent {
            program: self.agent.first(text),
            os: self.os.first(text),
            device: self.device.first(text).map(|named| named.name),
        }
    }
}

/// Rules of one kind, in the order of the file.
struct List {
    regexes: Regexes,
    rules: Vec<Rule>,
}

impl List {
    fn compile(name: &str, rules: impl Iterator<Item = (String, Rule)>) -> Result<Self, String> {
        let mut builder = Builder::new_atom_len(MIN_ATOM);
        let mut kept = Vec::new();
        for (at, (regex, rule)) in rules.enumerate() {
            let mut options = Options::new();
            options.case_insensitive(rule.ignore_case);
            builder = builder
                .push_opt(&portable(&regex), &options)
                .map_err(|error| format!("rule {} of {name}, `{regex}`: {error}", at + 1))?;
            kept.push(rule);
        }
        let regexes = builder.build().map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { regexes, rules: kept })
    }

    /// What the first rule says that matches and has a name.
    fn first(&self, text: &str) -> Option<Named> {
        self.regexes
            .matching(text)
            .find_map(|(at, regex)| self.rules[at].apply(regex, text))
    }
}

impl Rule {
    fn apply(&self, regex: &Regex, text: &str) -> Option<Named> {
        let groups = regex.captures(text)?;
        let group = |at: usize| groups.get(at).map(|group| group.as_str());
        let name = match &self.name {
            Some(name) => match group(1) {
                // Only the first mention: a name like `$1 $2` keeps its `$2`.
                Some(first) => name.replacen("$1", first, 1),
                None => name.clone(),
            },
            None => group(1)?.to_owned(),
        };
        Some(Named {
            name,
            version: self.version(&groups),
        })
    }

    /// Up to the first part that is missing; a part that is there but empty leaves its dot.
    fn version(&self, groups: &Captures<'_>) -> Option<String> {
        let parts: Vec<&str> = self
            .version
            .iter()
            .zip(2..)
            .map_while(|(literal, at)| {
                literal
                    .as_deref()
                    .or_else(|| groups.get(at).map(|group| group.as_str()))
            })
            .collect();
        (!parts.is_empty()).then(|| parts.join("."))
    }
}

/// A rule in the words of the regex crate: classes are ASCII, as in Java, and a repetition of up to some hundred is one
/// without end, because hundreds of copies of a class cost megabytes.
fn portable(regex: &str) -> String {
    let mut out = String::with_capacity(regex.len());
    let mut rest = regex;
    let mut in_class = false;
    while let Some(at) = rest.find(['\\', '[', ']', '{']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(escaped) = rest.strip_prefix('\\') {
            let Some(char) = escaped.chars().next() else { break };
            match char {
                'd' => out.push_str("[0-9]"),
                'D' => out.push_str("[^0-9]"),
                'w' => out.push_str("[A-Za-z0-9_]"),
                'W' => out.push_str("[^A-Za-z0-9_]"),
                's' => out.push_str(r"[\t\n\x0B\f\r ]"),
                'S' => out.push_str(r"[^\t\n\x0B\f\r ]"),
                // Java and JavaScript let a slash, a quote or a blank be escaped; so does the crate for ASCII punctuation.
                other => {
                    out.push('\\');
                    out.push(other);
                }
            }
            rest = &escaped[char.len_utf8()..];
            continue;
        }
        match rest.as_bytes()[0] {
            // Inside a class, Java's files mean the character itself.
            b'[' if in_class => out.push_str(r"\["),
            b'[' => {
                in_class = true;
                out.push('[');
            }
            b'{' if !in_class => {
                if let Some((range, length)) = long_repetition(rest) {
                    out.push(range);
                    rest = &rest[length..];
                    continue;
                }
                out.push('{');
            }
            b']' => {
                in_class = false;
                out.push(']');
            }
            _ => out.push('{'),
        }
        rest = &rest[1..];
    }
    out.push_str(rest);
    out
}

/// `{0,200}` is `*` and `{1,200}` is `+`: the sign, and the length of what it stands for.
fn long_repetition(text: &str) -> Option<(char, usize)> {
    let (inner, _) = text.strip_prefix('{')?.split_once('}')?;
    let (low, high) = inner.split_once(',')?;
    let sign = match low {
        "0" => '*',
        "1" => '+',
        _ => return None,
    };
    let long = high.len() > 2 && high.bytes().all(|digit| digit.is_ascii_digit());
    long.then_some((sign, inner.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERS: &str = "os_parsers: []\ndevice_parsers: []\n";

    fn agent(rules: &str, text: &str) -> Option<(String, Option<String>)> {
        let rules = Rules::compile(&format!("user_agent_parsers:\n{rules}\n{OTHERS}")).unwrap();
        rules.parse(text).program.map(|named| (named.name, named.version))
    }

    fn named(name: &str, version: &str) -> (String, Option<String>) {
        (name.into(), Some(version.into()))
    }

    #[test]
    fn an_empty_part_keeps_its_dot_and_a_missing_one_ends_the_version() {
        assert_eq!(
            agent(r"- regex: '(Fox)/(\d+)\.(\d+)\.(\d*)'", "Fox/72.0."),
            Some(named("Fox", "72.0."))
        );
        let gap = r"- regex: '(Fox)/(\d+)(?:\.(\d+)|)(?:b(\d+)|)'";
        assert_eq!(agent(gap, "Fox/7b3"), Some(named("Fox", "7")));
        assert_eq!(agent("- regex: '(Fox)'", "Fox"), Some(("Fox".into(), None)));
    }

    #[test]
    fn a_rule_without_a_name_is_passed_over() {
        let rules = "- regex: 'Fox|(Cat)'\n- regex: '(Fo)x'";
        assert_eq!(agent(rules, "Fox"), Some(("Fo".into(), None)));
        assert_eq!(agent(rules, "Dog"), None);
    }

    #[test]
    fn only_the_first_mention_of_the_first_group_is_replaced() {
        let rule = "- regex: '(Fox)(y)'\n  family_replacement: '$1 $1 $2'\n  v1_replacement: '$2'";
        assert_eq!(agent(rule, "Foxy"), Some(named("Fox $1 $2", "$2")));
    }

    #[test]
    fn classes_are_ascii_and_long_repetitions_have_no_end() {
        assert_eq!(
            portable(r"[\w.]{1,200}\d{2}\{0,300}"),
            r"[[A-Za-z0-9_].]+[0-9]{2}\{0,300}"
        );
        assert_eq!(portable(r"a{0,20}b{0,100}[{]"), r"a{0,20}b*[{]");
        assert_eq!(agent(r"- regex: '(Fox)/(\d+)'", "Fox/\u{664}"), None);
    }

    #[test]
    fn a_bad_file_is_explained() {
        let error = |text: &str| Rules::compile(text).err().unwrap();
        let bad = error(
            "user_agent_parsers:\n- regex: 'ok'\n- regex: '(Fox'\nos_parsers: []\ndevice_parsers: []\n",
        );
        assert!(bad.contains("rule 2 of user_agent_parsers, `(Fox`"), "{bad}");
        assert!(error("a: 1").contains("user_agent_parsers"), "{}", error("a: 1"));
    }
}
