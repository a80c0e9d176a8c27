//! Which request a rule meets.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::content_type::ContentType;
use crate::fault::Action;
use crate::random;

/// An operation of the simulated service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /{tenant}/oauth2/token` and `/v2.0/token`.
    Token,
    /// `POST subscriptions/start`.
    Start,
    /// `POST subscriptions/stop`.
    Stop,
    /// `GET subscriptions/list`.
    ListSubscriptions,
    /// `GET subscriptions/content`, every page.
    ListContent,
    /// `GET audit/{contentId}`.
    FetchBlob,
    /// `GET subscriptions/notifications`.
    Notifications,
    /// `GET resources/dlpSensitiveTypes`.
    SensitiveTypes,
    /// Anything else: always a 404 and an entry in the report.
    Unknown,
}

/// What shares one counter for `nth`, `from`, `times`, `every` and `percent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// All requests that the rule meets.
    #[default]
    Rule,
    /// The requests of one tenant.
    Tenant,
    /// The requests of one tenant and content type.
    Feed,
    /// The requests for one blob: `times: 1` makes the first fetch of every blob fail.
    Blob,
}

/// One kind of trouble. A field left out matches everything.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultRule {
    /// The operation.
    pub on: Option<Operation>,
    /// The tenant as it stands in the path: its GUID, or at the token endpoint also its name. Compared without case.
    pub tenant: Option<String>,
    /// The content type.
    pub content_type: Option<ContentType>,
    /// The blob; a prefix is enough.
    pub content_id: Option<String>,
    /// The page of a listing, counted from one.
    pub page: Option<u64>,
    /// Which requests are counted together.
    pub count: Count,
    /// Only this one of the counted requests, from one.
    pub nth: Option<u64>,
    /// Only from this request on.
    pub from: Option<u64>,
    /// At most so many times.
    pub times: Option<u64>,
    /// Only every so many requests, the first one of them first.
    pub every: Option<u64>,
    /// Only so many in a hundred requests, chosen by the plan's seed: the same ones each time.
    pub percent: Option<u8>,
    /// Only so many milliseconds of real time after the plan's first request, or later: an outage begins.
    pub after_ms: Option<u64>,
    /// Only until so many milliseconds of real time after the plan's first request: an outage ends.
    pub until_ms: Option<u64>,
    /// Waits so many milliseconds of real time before anything else.
    pub delay_ms: u64,
    /// What happens. Left out: only the delay.
    pub action: Option<Action>,
}

impl FaultRule {
    /// A rule that does `action` to every `on`; narrow it by struct update.
    pub fn new(on: Operation, action: Action) -> Self {
        Self {
            on: Some(on),
            action: Some(action),
            ..Self::default()
        }
    }

    /// Whether it is time for this rule, so long after the plan's first request.
    fn is_on(&self, since: Duration) -> bool {
        self.after_ms
            .is_none_or(|after| since >= Duration::from_millis(after))
            && self
                .until_ms
                .is_none_or(|until| since < Duration::from_millis(until))
    }

    fn meets(&self, facts: &Facts<'_>) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| found.is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
        };
        self.on.is_none_or(|on| on == facts.operation)
            && same(&self.tenant, facts.tenant)
            && self
                .content_type
                .is_none_or(|wanted| facts.content_type == Some(wanted))
            && self.content_id.as_ref().is_none_or(|prefix| {
                facts
                    .content_id
                    .is_some_and(|found| found.starts_with(prefix.as_str()))
            })
            && self.page.is_none_or(|page| facts.page == Some(page))
    }

    /// Whether the `call`-th counted request (from one), after `done` earlier strikes, is struck. `seed` is the rule's own.
    fn strikes(&self, call: u64, done: u64, seed: u64) -> bool {
        let from = self.from.unwrap_or(1);
        self.nth.is_none_or(|nth| call == nth)
            && call >= from
            && self
                .every
                .is_none_or(|every| (call - from).is_multiple_of(every.max(1)))
            && self
                .percent
                .is_none_or(|percent| random::hash(&[seed, call]) % 100 < percent.into())
            && self.times.is_none_or(|times| done < times)
    }
}

/// All the trouble of a world. All rules that strike a request apply to it, in order; of several complete answers the
/// first wins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultPlan {
    /// What the requests that `percent` strikes are a function of.
    pub seed: u64,
    /// The rules.
    pub rules: Vec<FaultRule>,
}

impl FaultPlan {
    /// A plan of these rules.
    pub fn new(rules: impl IntoIterator<Item = FaultRule>) -> Self {
        Self {
            seed: 0,
            rules: rules.into_iter().collect(),
        }
    }
}

/// What a rule can ask about a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) operation: Operation,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) content_type: Option<ContentType>,
    pub(crate) content_id: Option<&'a str>,
    pub(crate) page: Option<u64>,
}

/// A plan and how often each rule was met so far.
#[derive(Debug)]
pub(crate) struct FaultState {
    plan: FaultPlan,
    /// When the first request came.
    since: Option<Instant>,
    /// (calls, strikes) per rule and counted subject.
    counters: HashMap<(usize, String), (u64, u64)>,
}

impl FaultState {
    pub(crate) fn new(plan: FaultPlan) -> Self {
        Self {
            plan,
            since: None,
            counters: HashMap::new(),
        }
    }

    /// Counts the request and returns how long it waits, and what happens to it.
    pub(crate) fn decide(&mut self, facts: &Facts<'_>) -> (u64, Vec<Action>) {
        let (mut delay, mut actions) = (0, Vec::new());
        let seed = self.plan.seed;
        let since = self.since.get_or_insert_with(Instant::now).elapsed();
        for (index, rule) in self
            .plan
            .rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.is_on(since) && rule.meets(facts))
        {
            let tenant = facts.tenant.unwrap_or_default().to_ascii_lowercase();
            let subject = match rule.count {
                Count::Rule => String::new(),
                Count::Tenant => tenant,
                Count::Feed => format!("{tenant} {}", facts.content_type.map_or("", ContentType::as_str)),
                Count::Blob => format!("{tenant} {}", facts.content_id.unwrap_or_default()),
            };
            let seed = random::hash(&[seed, index as u64, random::hash_text(&subject)]);
            let (calls, strikes) = self.counters.entry((index, subject)).or_default();
            *calls += 1;
            if rule.strikes(*calls, *strikes, seed) {
                *strikes += 1;
                delay += rule.delay_ms;
                actions.extend(rule.action.clone());
            }
        }
        (delay, actions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(plan: FaultPlan, calls: u64) -> Vec<u64> {
        let mut state = FaultState::new(plan);
        let facts = Facts {
            operation: Operation::FetchBlob,
            tenant: Some("t"),
            content_type: Some(ContentType::Exchange),
            content_id: Some("a$b"),
            page: None,
        };
        (1..=calls)
            .filter(|_| !state.decide(&facts).1.is_empty())
            .collect()
    }

    #[test]
    fn counters_choose_the_documented_calls() {
        let base = FaultRule::new(Operation::FetchBlob, Action::EmptyBody);
        let check = |rule: FaultRule, expect: &[u64]| {
            assert_eq!(struck(FaultPlan::new([rule.clone()]), 6), expect, "{rule:?}");
        };
        check(base.clone(), &[1, 2, 3, 4, 5, 6]);
        check(
            FaultRule {
                nth: Some(2),
                ..base.clone()
            },
            &[2],
        );
        check(
            FaultRule {
                from: Some(5),
                ..base.clone()
            },
            &[5, 6],
        );
        check(
            FaultRule {
                times: Some(2),
                ..base.clone()
            },
            &[1, 2],
        );
        check(
            FaultRule {
                every: Some(3),
                ..base.clone()
            },
            &[1, 4],
        );
        check(
            FaultRule {
                from: Some(2),
                every: Some(2),
                times: Some(2),
                ..base.clone()
            },
            &[2, 4],
        );
        check(
            FaultRule {
                content_id: Some("a$".to_owned()),
                nth: Some(1),
                ..base.clone()
            },
            &[1],
        );
        check(
            FaultRule {
                content_id: Some("b".to_owned()),
                ..base.clone()
            },
            &[],
        );
        check(
            FaultRule {
                page: Some(1),
                ..base.clone()
            },
            &[],
        );
        check(
            FaultRule {
                tenant: Some("T".to_owned()),
                nth: Some(6),
                ..base.clone()
            },
            &[6],
        );
        check(
            FaultRule {
                content_type: Some(ContentType::Dlp),
                ..base.clone()
            },
            &[],
        );
        check(
            FaultRule {
                on: Some(Operation::Token),
                ..base
            },
            &[],
        );
    }

    #[test]
    fn a_part_of_all_calls_is_struck_and_it_is_the_same_part_each_time() {
        let rule = FaultRule {
            percent: Some(30),
            ..FaultRule::new(Operation::FetchBlob, Action::EmptyBody)
        };
        let of = |seed| {
            let mut plan = FaultPlan::new([rule.clone()]);
            plan.seed = seed;
            struck(plan, 1_000)
        };
        assert!((250..350).contains(&of(1).len()), "{}", of(1).len());
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        // Not in a rhythm that a client's own could hide.
        assert!(of(1).windows(2).any(|pair| pair[1] - pair[0] == 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_begins_and_ends() {
        let rule = FaultRule {
            after_ms: Some(1_000),
            until_ms: Some(3_000),
            ..FaultRule::new(Operation::FetchBlob, Action::EmptyBody)
        };
        let mut state = FaultState::new(FaultPlan::new([rule]));
        let facts = Facts {
            operation: Operation::FetchBlob,
            tenant: None,
            content_type: None,
            content_id: None,
            page: None,
        };
        let mut strikes = Vec::new();
        for _ in 0..4 {
            strikes.push(state.decide(&facts).1.len());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(strikes, [0, 1, 1, 0]);
    }

    #[test]
    fn blobs_are_counted_apart_on_request() {
        let rule = FaultRule {
            count: Count::Blob,
            times: Some(1),
            ..FaultRule::new(Operation::FetchBlob, Action::EmptyBody)
        };
        let mut state = FaultState::new(FaultPlan::new([rule]));
        let mut strikes = |id: &str| {
            let facts = Facts {
                operation: Operation::FetchBlob,
                tenant: Some("t"),
                content_type: None,
                content_id: Some(id),
                page: None,
            };
            state.decide(&facts).1.len()
        };
        assert_eq!(
            [strikes("a"), strikes("a"), strikes("b"), strikes("b")],
            [1, 0, 1, 0]
        );
    }

    #[test]
    fn a_plan_is_data_and_misspelling_is_an_error() {
        let plan: FaultPlan = serde_json::from_value(serde_json::json!({"rules": [
            {"on": "list_content", "page": 2, "nth": 1, "action": {"type": "error", "code": "AF20031"}},
            {"on": "fetch_blob", "count": "blob", "times": 1, "delay_ms": 5,
             "action": {"type": "throttle", "status": 429, "retry_after": {"seconds": 2}}}
        ]}))
        .unwrap();
        assert_eq!(plan.rules.len(), 2);
        assert_eq!(
            plan.rules[1].action,
            Some(Action::Throttle {
                status: 429,
                retry_after: Some(RetryAfter::Seconds(2)),
            })
        );
        let round: FaultPlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert_eq!(round, plan);
        assert!(serde_json::from_str::<FaultPlan>(r#"{"rules": [{"onn": "token"}]}"#).is_err());
    }

    use crate::fault::RetryAfter;
}
