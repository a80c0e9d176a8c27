//! The check of a client assertion: the JWT that a client signs with its certificate instead of sending a secret.
//!
//! The signature is verified only when the configuration names public keys (`assertion_keys`); everything else is always
//! checked.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::http::{App, jwt, lock};

/// Longest validity of an assertion, in seconds.
const MAX_LIFETIME: i64 = 600;

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    x5t: Option<String>,
    #[serde(default, rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    sub: String,
    jti: String,
    exp: i64,
    nbf: i64,
}

#[derive(Debug, Deserialize)]
struct ForeignClaims {
    iss: String,
    aud: String,
    exp: i64,
}

/// Checks a token that another issuer gave to the client. It may come again until it ends.
fn check_foreign(app: &App, claims: &ForeignClaims) -> Result<(), (u32, String)> {
    if !app.config.federated_issuers.contains(&claims.iss) || claims.aud != "api://AzureADTokenExchange" {
        return Err((
            700_213,
            "No matching federated identity record was found.".to_owned(),
        ));
    }
    if claims.exp <= app.now().timestamp() {
        return Err((700_024, "The foreign token has expired.".to_owned()));
    }
    Ok(())
}

/// Checks an assertion for a request to `path`; the error is the number of Entra ID and what to say with it.
pub(crate) fn check(app: &App, path: &str, client_id: &str, token: &str) -> Result<(), (u32, String)> {
    let refuse = |code, detail: &str| Err((code, detail.to_owned()));
    if let Some(claims) = jwt::payload::<ForeignClaims>(token)
        && claims.iss != client_id
        && !app.config.federated_issuers.is_empty()
    {
        return check_foreign(app, &claims);
    }
    let (Some(header), Some(claims)) = (jwt::header::<Header>(token), jwt::payload::<Claims>(token)) else {
        return refuse(
            50_027,
            "The assertion is not a JWT with aud, iss, sub, jti, exp and nbf.",
        );
    };
    let parameters: &RsaParameters = match header.alg.as_str() {
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return refuse(50_027, "The algorithm is neither PS256 nor RS256."),
    };
    if app
        .config
        .assertion_algorithm
        .as_ref()
        .is_some_and(|only| *only != header.alg)
    {
        return refuse(700_027, "The algorithm is not supported here.");
    }
    if header.x5t.is_none() && header.x5t_s256.is_none() {
        return refuse(
            700_027,
            "The assertion has no thumbprint: neither x5t nor x5t#S256.",
        );
    }
    if claims.iss != client_id || claims.sub != client_id {
        return refuse(50_012, "iss and sub must both be the client id.");
    }
    if claims.aud.trim_end_matches('/') != format!("{}{path}", app.base_url) {
        return refuse(
            700_023,
            &format!("The audience {} is not the URL that was called.", claims.aud),
        );
    }
    let now = app.now().timestamp();
    if claims.nbf > now || claims.exp <= now {
        return refuse(
            700_024,
            &format!("It is {now}; valid from {} to {}.", claims.nbf, claims.exp),
        );
    }
    if claims.exp - claims.nbf > MAX_LIFETIME {
        return refuse(700_024, "The simulator accepts at most ten minutes.");
    }
    if !app.config.assertion_keys.is_empty() && !signed_by_any(app, parameters, token) {
        return refuse(700_027, "No registered key made this signature.");
    }
    let mut tokens = lock(&app.tokens);
    tokens.assertions.retain(|_, expires| *expires > now);
    if tokens.assertions.insert(claims.jti, claims.exp).is_some() {
        return refuse(50_013, "The assertion was used before: its jti is known.");
    }
    Ok(())
}

fn signed_by_any(app: &App, parameters: &'static RsaParameters, token: &str) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else {
        return false;
    };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
        return false;
    };
    app.config.assertion_keys.iter().any(|key| {
        UnparsedPublicKey::new(parameters, key)
            .verify(signed.as_bytes(), &signature)
            .is_ok()
    })
}
