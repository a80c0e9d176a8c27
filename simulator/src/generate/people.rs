//! The people of a tenant: the same few dozen for ever, so that events tell connected stories.

use std::cell::OnceCell;

use crate::config::TenantSpec;
use crate::random::{self, Random};

/// Somebody with an account.
#[derive(Debug)]
pub(crate) struct Person {
    pub(super) display: String,
    /// `first.last@domain`.
    pub(super) upn: String,
    /// `first_last_domain`, as in the address of a OneDrive.
    pub(super) slug: String,
    pub(super) puid: String,
    pub(super) object_id: String,
    pub(super) sid: String,
    pub(super) mailbox: String,
    /// The usual address of the person's computer.
    pub(super) ip: String,
    pub(super) agent: &'static Agent,
}

/// A browser on a system.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) system: &'static str,
    pub(super) browser: &'static str,
    pub(super) text: &'static str,
}

const FIRST: [&str; 16] = [
    "Ada", "Bruno", "Chidi", "Dana", "Emil", "Farah", "Gita", "Hugo", "Ines", "Jonas", "Keiko", "Liam",
    "Mira", "Nils", "Olga", "Pedro",
];
const LAST: [&str; 12] = [
    "Abara", "Berg", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jansen",
    "Kowalski", "Müller",
];

const AGENTS: [Agent; 5] = [
    Agent {
        system: "Windows 10",
        browser: "Edge",
        text: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    },
    Agent {
        system: "Windows 10",
        browser: "Chrome",
        text: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    },
    Agent {
        system: "MacOs",
        browser: "Safari",
        text: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    },
    Agent {
        system: "Ios",
        browser: "Safari",
        text: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    },
    Agent {
        system: "Linux",
        browser: "Firefox",
        text: "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    },
];

/// How many people a tenant has.
const HEADCOUNT: usize = 40;

/// The people of one tenant. Each is made when first met: in the blobs of one tenant it is always the same few.
#[derive(Debug)]
pub(crate) struct People<'a> {
    tenant: &'a TenantSpec,
    met: [OnceCell<Person>; HEADCOUNT],
}

impl<'a> People<'a> {
    pub(crate) fn of(tenant: &'a TenantSpec) -> Self {
        Self {
            tenant,
            met: [const { OnceCell::new() }; HEADCOUNT],
        }
    }

    /// The tenant that they belong to.
    pub(super) fn tenant(&self) -> &'a TenantSpec {
        self.tenant
    }

    /// Some person of the tenant.
    pub(super) fn pick(&self, random: &mut Random) -> &Person {
        let number = random.below(HEADCOUNT as u64);
        let place = &self.met[usize::try_from(number).unwrap_or(0)];
        place.get_or_init(|| Person::number(self.tenant, number))
    }
}

impl Person {
    fn number(tenant: &TenantSpec, number: u64) -> Self {
        let mut random = Random::new(random::hash(&[
            random::hash_text(&tenant.id),
            number,
            0x7065_6f70,
        ]));
        let first = FIRST[usize::try_from(number % 16).unwrap_or(0)];
        let last = *random.pick(&LAST);
        let domain = &tenant.name;
        let local = format!(
            "{}.{}{number}",
            first.to_lowercase(),
            last.to_lowercase().replace('ü', "ue")
        );
        Self {
            display: format!("{first} {last}"),
            upn: format!("{local}@{domain}"),
            slug: format!("{local}@{domain}").replace(['.', '@'], "_"),
            puid: format!("1003{}", random.hex(12)),
            object_id: random.guid(),
            sid: format!(
                "S-1-5-21-{}-{}-{}-{}",
                random.below(4_000_000_000),
                random.below(4_000_000_000),
                random.below(4_000_000_000),
                1000 + random.below(90_000)
            ),
            mailbox: random.guid(),
            ip: super::address::public_v4(&mut random),
            agent: random.pick(&AGENTS),
        }
    }

    /// The account name that SharePoint uses as key.
    pub(super) fn membership_key(&self) -> String {
        format!("i:0h.f|membership|{}@live.com", self.puid.to_lowercase())
    }
}
