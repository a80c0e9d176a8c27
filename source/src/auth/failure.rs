//! Why there is no token, and what to do about it.

use std::time::Duration;

use crate::{error::Class, network};

/// No token.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("the token endpoint cannot be reached: {reason}")]
    Transport { reason: String },
    #[error("the token endpoint answered {status}{}", tell(*.code, .error, .description, .trace.as_deref()))]
    Refused {
        status: u16,
        /// AADSTS number.
        code: Option<u64>,
        error: String,
        description: String,
        /// Trace and correlation id for Microsoft's support.
        trace: Option<String>,
        retry_after: Option<Duration>,
        /// Trying again soon can help.
        transient: bool,
        advice: Option<&'static str>,
    },
    #[error("the token endpoint answered something that is no token: {reason}")]
    Answer { reason: String },
    /// Whatever it is asked for, it would be refused or, worse, answered with another tenant's events.
    #[error("the access token is for the tenant {0:?}")]
    OtherTenant(String),
    #[error("the assertion cannot be signed")]
    Sign,
    /// It cannot be read: what the option names, and why.
    #[error("the credential cannot be read: {0}")]
    Credential(String),
}

fn tell(code: Option<u64>, error: &str, description: &str, trace: Option<&str>) -> String {
    let code = code.map(|code| format!(" AADSTS{code}")).unwrap_or_default();
    let trace = trace.map(|trace| format!(" ({trace})")).unwrap_or_default();
    format!("{code} {error} {description}{trace}")
}

impl AuthError {
    /// What to do: try again soon, or wait for an operator.
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Transport { .. } | Self::Answer { .. } | Self::Sign => {
                Class::Transient { retry_after: None }
            }
            Self::Refused {
                transient: true,
                retry_after,
                ..
            } => Class::Transient {
                retry_after: *retry_after,
            },
            Self::Refused { .. } | Self::Credential(_) | Self::OtherTenant(_) => Class::Permission,
        }
    }

    /// What the token endpoint answered with, if it was no token.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            // It had answered with success.
            Self::Answer { .. } | Self::OtherTenant(_) => Some(200),
            Self::Transport { .. } | Self::Sign | Self::Credential(_) => None,
        }
    }

    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Refused { advice, .. } => *advice,
            Self::OtherTenant(_) => {
                Some("check the tenant's id; a managed identity works for its own tenant only")
            }
            Self::Transport { reason } => network::hint(reason),
            Self::Answer { .. } | Self::Sign | Self::Credential(_) => None,
        }
    }
}
