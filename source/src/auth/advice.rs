//! What the numbers of Entra ID mean for the person who has to repair it (reference §3.8).

/// Whether trying again soon can help. Microsoft says that codes may change: unknown ones follow the status.
pub(super) fn is_transient(status: u16, code: Option<u64>) -> bool {
    match code {
        Some(90033 | 90024 | 90055) => true,
        // A loop detected: waiting longer is the cure.
        Some(50196) => false,
        _ => status == 429 || status == 408 || status >= 500,
    }
}

/// What to do.
pub(super) fn advice(code: u64) -> Option<&'static str> {
    Some(match code {
        7_000_215 => "the client secret is wrong: configure the secret's value, not its id",
        7_000_222 => "the client secret has expired: create a new one and configure it",
        700_027 | 50012 | 50013 | 50027 => {
            "the certificate is not accepted: upload this certificate to the application, or renew it; an authority that \
             does not know PS256 needs `certificate_algorithm: RS256`"
        }
        700_024 => "the clock of this machine is wrong",
        700_023 => "check `cloud` and `api.authentication_endpoint`",
        700_016 => {
            "the application is unknown in this tenant: check the application id, the tenant and the cloud, and grant admin consent"
        }
        7_000_229 => "the application has no service principal in this tenant: grant admin consent",
        7_000_112 => "the application is disabled: enable it in Entra ID",
        90002 => "the tenant does not exist: check its id and the cloud",
        900_023 => "the tenant's id is malformed",
        500_011 => "the resource is unknown in this tenant: check `cloud` and `api.resource`",
        1_002_012 | 70011 => "check `api.resource`: it is the base URL without a path",
        7_000_218 | 900_144 => "the credential is missing: configure client_secret or certificate",
        700_213 | 70021 => "no federated credential of the application matches the token",
        53003 => "conditional access blocks the application in this tenant",
        501_051 => "the application has to be assigned in this tenant, and is not",
        50196 => "too many identical requests: the source waits by itself",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code of reference §3.8 that a person has to act upon, and a word of what to do.
    #[test]
    fn every_known_refusal_comes_with_advice() {
        for (code, word) in [
            (7_000_215, "value"),
            (7_000_222, "expired"),
            (700_027, "certificate"),
            (700_024, "clock"),
            (700_023, "authentication_endpoint"),
            (50_012, "certificate"),
            (50_013, "certificate"),
            (50_027, "certificate"),
            (700_016, "consent"),
            (7_000_229, "consent"),
            (7_000_112, "disabled"),
            (90_002, "does not exist"),
            (900_023, "malformed"),
            (500_011, "api.resource"),
            (1_002_012, "api.resource"),
            (70_011, "api.resource"),
            (7_000_218, "missing"),
            (900_144, "missing"),
            (700_213, "federated"),
            (70_021, "federated"),
            (53_003, "conditional access"),
            (501_051, "assigned"),
            (50_196, "waits"),
        ] {
            let advice = advice(code).unwrap_or_else(|| panic!("no advice for AADSTS{code}"));
            assert!(advice.contains(word), "AADSTS{code}: {advice}");
            assert!(!is_transient(400, Some(code)), "AADSTS{code}");
        }
        for code in [90_033, 90_024, 90_055] {
            assert!(is_transient(400, Some(code)), "AADSTS{code}");
        }
    }

    #[test]
    fn a_wrong_secret_waits_for_a_person_and_a_busy_service_does_not() {
        assert!(!is_transient(401, Some(7_000_215)));
        assert!(advice(7_000_215).unwrap().contains("not its id"));
        assert!(is_transient(400, Some(90033)));
        assert!(is_transient(503, None));
        assert!(is_transient(429, None));
        assert!(!is_transient(400, None));
        assert_eq!(advice(1), None);
    }
}
