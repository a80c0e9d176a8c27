//! Audit events out of nothing but coordinates.
//!
//! An event is a function of (seed, tenant, content type, index, time of availability): no state, so a blob can be made
//! at the moment somebody fetches it, again and again, and is the same bytes each time. One module per workload; this one
//! holds what they share, and how often each record type occurs in each feed.

mod address;
mod alerts;
mod copilot;
mod dlp;
mod entra;
mod exchange;
mod general;
mod mailbox;
mod people;
mod sharepoint;
mod sign_in;
mod teams;
mod threat;

pub(crate) use dlp::SENSITIVE_TYPES;
pub(crate) use people::People;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};

use crate::config::TenantSpec;
use crate::content_type::ContentType;
use crate::generate::people::Person;
use crate::json::{self, Object};
use crate::random::{self, Random};

/// The coordinates of an event, and the choices that follow from them.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    tenant: &'a TenantSpec,
    people: &'a People<'a>,
    random: Random,
    id: String,
    time: DateTime<Utc>,
    person: &'a Person,
}

/// Writes the members of one record.
type Writer = fn(&mut Object<'_>, &mut Event<'_>);

/// Which records a feed consists of, by weight.
fn mix_of(content_type: ContentType) -> &'static [(u64, Writer)] {
    match content_type {
        ContentType::AzureActiveDirectory => &[(28, entra::write), (72, sign_in::write)],
        ContentType::Exchange => &[
            (18, exchange::write),
            (26, mailbox::item),
            (14, mailbox::group),
            (42, mailbox::accessed),
        ],
        ContentType::SharePoint => &[
            (68, sharepoint::file),
            (14, sharepoint::sharing),
            (12, sharepoint::page),
            (6, sharepoint::list_item),
        ],
        ContentType::General => &[
            (340, teams::write),
            (120, alerts::write),
            (150, general::power_bi),
            (80, general::data_insights),
            (80, general::yammer),
            (130, copilot::write),
            (95, threat::write),
            (5, general::unheard_of),
        ],
        ContentType::Dlp => &[(55, dlp::sharepoint), (45, dlp::exchange)],
    }
}

/// How the events of a tenant spread over its feeds.
pub(crate) fn share_of(content_type: ContentType) -> u64 {
    match content_type {
        ContentType::AzureActiveDirectory => 20,
        ContentType::Exchange => 34,
        ContentType::SharePoint => 28,
        ContentType::General => 14,
        ContentType::Dlp => 4,
    }
}

/// Writes event number `index`, which became available at `available_ms`, to the end of `out`.
pub(crate) fn write_event(
    out: &mut String,
    seed: u64,
    people: &People<'_>,
    content_type: ContentType,
    index: u64,
    available_ms: i64,
) {
    let mut random = Random::new(random::hash(&[seed, index, 0x6576_656e]));
    // Core services need minutes; a few records come hours late.
    let age_secs = if random.chance(20) {
        3600 + random.below(20_000)
    } else {
        40 + random.below(3_400)
    };
    let available = DateTime::from_timestamp_millis(available_ms).unwrap_or_default();
    let time = available - std::time::Duration::from_secs(age_secs);
    let person = people.pick(&mut random);
    let writer = random.weighted(mix_of(content_type));
    let mut event = Event {
        tenant: people.tenant(),
        people,
        id: random::event_guid(seed, index),
        time,
        person,
        random,
    };
    json::object(out, |record| writer(record, &mut event));
}

/// Who acts, as the head of a record says it.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "the names of the members of the record")]
struct Actor<'a> {
    user_type: i32,
    user_key: &'a str,
    user_id: &'a str,
}

impl Event<'_> {
    /// A time of the service: no zone, because the service sends none.
    fn stamp(time: DateTime<Utc>) -> String {
        let (date, time) = (time.date_naive(), time.time());
        let mut text = format!("{:04}", date.year());
        for (before, number) in [
            ('-', date.month()),
            ('-', date.day()),
            ('T', time.hour()),
            (':', time.minute()),
            (':', time.second()),
        ] {
            text.push(before);
            text.extend([number / 10, number % 10].map(|digit| char::from_digit(digit, 10).unwrap_or('0')));
        }
        text
    }

    /// `CreationTime`: bare nearly always, with `Z` or a fraction once in a while.
    fn creation_time(&mut self) -> String {
        let bare = Self::stamp(self.time);
        match self.random.below(500) {
            0 => format!("{bare}Z"),
            1 => format!("{bare}.{:07}", self.random.below(10_000_000)),
            _ => bare,
        }
    }

    /// The common head of every record, in the order of the service.
    fn head(
        &mut self,
        record: &mut Object<'_>,
        (record_type, workload, operation): (i32, &str, &str),
        result: Option<&str>,
        actor: &Actor<'_>,
    ) {
        let time = self.creation_time();
        record
            .str("CreationTime", &time)
            .str("Id", &self.id)
            .str("Operation", operation)
            .str("OrganizationId", &self.tenant.id)
            .int("RecordType", record_type);
        if let Some(result) = result {
            record.str("ResultStatus", result);
        }
        record
            .str("UserKey", actor.user_key)
            .int("UserType", actor.user_type)
            .int("Version", 1)
            .str("Workload", workload)
            .str("UserId", actor.user_id);
    }

    /// The head for a record in which the person of the event acts.
    fn personal_head(&mut self, record: &mut Object<'_>, kind: (i32, &str, &str), result: Option<&str>) {
        let actor = Actor {
            user_type: 0,
            user_key: &self.person.puid,
            user_id: &self.person.upn,
        };
        self.head(record, kind, result, &actor);
    }

    /// The first label of the tenant's domain: the name of its SharePoint host.
    fn short_name(&self) -> String {
        self.tenant.name.split('.').next().unwrap_or("contoso").to_owned()
    }

    /// A stable GUID of something that the tenant has only one of, such as a site or a policy.
    fn thing(&self, what: &str) -> String {
        let seed = random::hash(&[random::hash_text(&self.tenant.id), random::hash_text(what)]);
        random::guid(seed, random::mix(seed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;
    use crate::config::{DEFAULT_NOW, SimulatorConfig};

    fn events(content_type: ContentType, count: u64) -> Vec<Value> {
        let config = SimulatorConfig::demo(11, 1, 0);
        let now = DEFAULT_NOW.timestamp_millis();
        let people = People::of(&config.tenants[0]);
        (0..count)
            .map(|index| {
                let mut out = String::new();
                write_event(&mut out, 11, &people, content_type, index, now);
                serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
            })
            .collect()
    }

    #[test]
    fn every_record_has_the_common_head() {
        for content_type in ContentType::ALL {
            for event in events(content_type, 2_000) {
                for text in [
                    "CreationTime",
                    "Id",
                    "Operation",
                    "OrganizationId",
                    "UserKey",
                    "Workload",
                    "UserId",
                ] {
                    assert!(event[text].is_string(), "{text} in {event}");
                }
                for number in ["RecordType", "UserType"] {
                    assert!(event[number].is_i64(), "{number} in {event}");
                }
                let known = event["RecordType"].as_i64().unwrap();
                let routed = ContentType::of_record(known, event["Workload"].as_str().unwrap());
                assert_eq!(routed, content_type, "{event}");
            }
        }
    }

    #[test]
    fn every_promised_record_type_occurs() {
        let mut seen: BTreeMap<i64, u32> = BTreeMap::new();
        for content_type in ContentType::ALL {
            for event in events(content_type, 3_000) {
                *seen.entry(event["RecordType"].as_i64().unwrap()).or_default() += 1;
            }
        }
        for promised in [
            1, 2, 3, 4, 6, 8, 11, 13, 14, 15, 20, 22, 25, 28, 36, 40, 50, 52, 261,
        ] {
            assert!(
                seen.get(&promised).is_some_and(|count| *count > 20),
                "record type {promised}: {seen:?}"
            );
        }
        assert!(
            seen.keys().any(|number| *number > 5_000),
            "no unknown record type: {seen:?}"
        );
    }

    #[test]
    fn the_surprises_of_the_service_occur() {
        let mut all = Vec::new();
        for content_type in ContentType::ALL {
            all.extend(events(content_type, 3_000));
        }
        let some = |what: &str, test: &dyn Fn(&Value) -> bool| {
            let found = all.iter().filter(|event| test(event)).count();
            assert!(found > 0 && found < all.len(), "{what}: {found} of {}", all.len());
        };
        let time = |event: &Value| event["CreationTime"].as_str().unwrap().to_owned();
        some("bare time", &|event| time(event).len() == 19);
        some("time with Z", &|event| time(event).ends_with('Z'));
        some("time with a fraction", &|event| time(event).contains('.'));
        some("Parameters as text", &|event| event["Parameters"].is_string());
        some("Parameters as a list", &|event| event["Parameters"].is_array());
        some("ExtendedProperties as text", &|event| {
            event["ExtendedProperties"].is_string()
        });
        some("OperationProperties as text", &|event| {
            event["OperationProperties"].is_string()
        });
        some("ModifiedProperties as names", &|event| {
            event["ModifiedProperties"][0].is_string()
        });
        some("ModifiedProperties as objects", &|event| {
            event["ModifiedProperties"][0].is_object()
        });
        some("ExceptionInfo as text", &|event| {
            event["ExceptionInfo"].is_string()
        });
        some("ExceptionInfo as an object", &|event| {
            event["ExceptionInfo"].is_object()
        });
        some("alert data in a string", &|event| {
            event["Data"].as_str().is_some_and(|data| data.starts_with('{'))
        });
        some("a number beyond 32 bits", &|event| {
            event["YammerNetworkId"].as_i64().is_some_and(|id| id > 1 << 32)
        });
        some("a null address", &|event| {
            event.get("ClientIP").is_some_and(Value::is_null)
        });
        some("no address", &|event| event.get("ClientIP").is_none());
        some("failed sign-ins", &|event| {
            event["Operation"] == "UserLoginFailed"
        });
        some("successful sign-ins", &|event| {
            event["Operation"] == "UserLoggedIn"
        });
        let forms: BTreeSet<_> = all
            .iter()
            .filter_map(|event| event["ClientIP"].as_str())
            .map(|ip| ip.chars().filter(|c| !c.is_ascii_hexdigit()).collect::<String>())
            .collect();
        for form in [
            "...", "...:", "[...]:", ":::::", "[:::::]", "[:::::]:", ":::...", "::", "",
        ] {
            let found = forms.contains(form);
            assert!(found, "no address of the form {form}: {forms:?}");
        }
    }

    #[test]
    fn events_happen_shortly_before_they_are_available() {
        for event in events(ContentType::Exchange, 500) {
            let time = &event["CreationTime"].as_str().unwrap()[..19];
            let time = chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%S")
                .unwrap()
                .and_utc();
            assert!(
                time < DEFAULT_NOW && DEFAULT_NOW - time < chrono::TimeDelta::hours(8),
                "{time}"
            );
        }
    }
}
