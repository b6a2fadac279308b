//! The table of the tokens: secrets that are known by how they begin. Those that are known by the name before them are in `key`.
//!
//! Prefixes and lengths are those that the issuers document, or, where they do not, those of tokens in the wild; lengths are lower bounds where
//! an issuer has changed them. Some issuers' tokens have no beginning of their own (Mailchimp, Datadog, Okta): they are found by name only.

use super::pattern::Step::{Block, Dense, From, Has, Mixed, Named, Not, Odd, OneOf, Real, Run, Text, To, Value};
use super::pattern::{Context, MANY, Pattern, Step};
use super::set::{ALNUM, BASE64, BASE64URL, BLANK, DIGIT, HEX, LOWER, QUOTE, SPACE, Set, UPPER, WORD};
use super::value::Kind;

const BASE32: Set = Set::of("A-Z2-7");
const CAPITAL: Set = UPPER.and(DIGIT);
const PADDED: Set = BASE64.and(Set::of("="));
const ANY64: Set = BASE64URL.and(PADDED).and(Set::of(","));
const DOTTED: Set = BASE64URL.and(Set::of("."));
const ENTRA: Set = DOTTED.and(Set::of("~"));
const SLACK: Set = ALNUM.and(Set::of("%.-"));
const CREDENTIAL: Set = DOTTED.and(Set::of("~+/="));
const CRYPT: Set = ALNUM.and(Set::of("./=,+$-"));
const SCRAM: Set = PADDED.and(Set::of("$:"));
const LABEL: Set = CAPITAL.and(Set::of(" "));
const PAPER_KEY: Set = CAPITAL.and(Set::of("-"));
const STOPPED: Set = SPACE.and(QUOTE);
const ARGUMENT: Set = STOPPED.and(Set::of("$`<>|&;")).not();
const USER: Set = STOPPED.and(Set::of(":/@<>")).not();
const PASSWORD: Set = STOPPED.and(Set::of("/@<>")).not();
const NAME: Set = STOPPED.and(Set::of(":")).not();
const WHITE: Set = BLANK.and(Set::of("\r\n"));

const HEX_32: &[Step] = &[Run(&HEX, 32, 32), Not(&WORD)];
const HEX_40: &[Step] = &[Run(&HEX, 40, 40), Not(&WORD)];
const HEX_64: &[Step] = &[Run(&HEX, 64, 64), Not(&WORD)];
const LONG: &[Step] = &[Run(&BASE64URL, 30, MANY)];
const LONGER: &[Step] = &[Run(&DOTTED, 40, MANY)];
const ALNUM_16: &[Step] = &[Run(&ALNUM, 16, MANY)];
const ALNUM_36: &[Step] = &[Run(&ALNUM, 36, MANY)];
const DOTTED_20: &[Step] = &[Run(&DOTTED, 20, MANY)];
const DISCORD: &[Step] = &[Run(&BASE64URL, 22, 27), Text("."), Run(&BASE64URL, 6, 6), Text("."), Run(&BASE64URL, 27, 40), Not(&BASE64URL)];
const HOOK: &[Step] = &[Run(&DIGIT, 16, 20), Text("/"), Run(&BASE64URL, 60, MANY)];
const JWT: &[Step] = &[Run(&BASE64URL, 8, 400), Text(".eyJ"), Run(&BASE64URL, 8, MANY), Text("."), Run(&BASE64URL, 16, MANY)];
/// Header, encrypted key, vector, text, tag (RFC 7516).
const JWE: &[Step] = &[
    Run(&BASE64URL, 8, 400),
    Text("."),
    Run(&BASE64URL, 0, 400),
    Text("."),
    Run(&BASE64URL, 12, 32),
    Text("."),
    Run(&BASE64URL, 8, MANY),
    Text("."),
    Run(&BASE64URL, 16, MANY),
];
const HASH: &[Step] = &[Run(&CRYPT, 20, MANY)];
const HERE: &[Step] = &[Run(&QUOTE, 0, 1), From, Run(&ARGUMENT, 1, MANY)];
const NEXT: &[Step] = &[Run(&BLANK, 1, 4), Run(&QUOTE, 0, 1), From, Run(&ARGUMENT, 1, MANY)];
const NEXT_USER: &[Step] = &[Run(&BLANK, 0, 4), Run(&QUOTE, 0, 1), Run(&NAME, 1, 128), Text(":"), From, Run(&ARGUMENT, 1, MANY)];
const NETRC: &[Step] =
    &[Run(&WHITE, 1, 8), Run(&NAME, 1, 128), Run(&WHITE, 1, 8), OneOf(&["password"]), Run(&WHITE, 1, 4), Value(Kind::Prose)];

const fn token(id: &'static str, heads: &'static [&'static str], steps: &'static [Step]) -> Pattern {
    Pattern::token(id, heads, steps)
}

/// An option of these programs that takes a password.
const fn option(programs: &'static [&'static str], head: &'static [&'static str], steps: &'static [Step]) -> Pattern {
    token("option-password", head, steps).after(Context::Program(programs))
}

/// In the order in which they are tried.
pub(super) static PATTERNS: &[Pattern] = &[
    // Key material.
    token("private-key", &["-----BEGIN ", "---- BEGIN "], &[Run(&LABEL, 11, 64), Has("PRIVATE KEY"), Text("----"), Block])
        .after(Context::Anything),
    token("putty-private", &["Private-Lines: "], &[Run(&DIGIT, 1, 3), Not(&ALNUM), Block]),
    token("age-secret-key", &["AGE-SECRET-KEY-1"], &[Run(&CAPITAL, 58, 58), Not(&WORD)]),
    token("age-secret-key", &["AGE-SECRET-KEY-PQ-1"], &[Run(&CAPITAL, 58, MANY)]),
    // Clouds.
    token("aws-access-key-id", &["AKIA", "ASIA", "ABIA", "ACCA"], &[Run(&BASE32, 16, 16), Not(&WORD)]),
    token("aws-bedrock-key", &["ABSK"], &[Run(&PADDED, 100, MANY)]),
    token("gcp-api-key", &["AIza"], &[Run(&BASE64URL, 35, 35), Not(&BASE64URL)]),
    token("gcp-oauth", &["ya29."], DOTTED_20),
    token("gcp-oauth", &["GOCSPX-"], &[Run(&BASE64URL, 20, MANY)]),
    token("gcp-oauth", &["1//0"], LONG),
    token("azure-client-secret", &["Q~"], &[From, Run(&ENTRA, 31, 34), Not(&ENTRA)]).after(Context::Entra),
    token("digitalocean-token", &["dop_v1_", "doo_v1_", "dor_v1_"], HEX_64),
    token("databricks-token", &["dapi"], &[Run(&HEX, 32, 32), Run(&Set::of("-0-9"), 0, 2), Not(&WORD)]),
    token("heroku-key", &["HRKU-"], LONG),
    token("fly-token", &["fo1_", "fm1a_", "fm1r_", "fm2_"], &[Run(&ANY64, 40, MANY)]),
    token("netlify-token", &["nfp_"], ALNUM_36),
    token("planetscale-token", &["pscale_tkn_", "pscale_pw_", "pscale_oauth_"], LONG),
    token("supabase-key", &["sbp_"], HEX_40),
    token("supabase-key", &["sb_secret_"], DOTTED_20),
    token("cloudflare-origin-key", &["v1.0-"], &[Run(&HEX, 24, 24), Text("-"), Run(&HEX, 146, 146)]),
    token("pulumi-token", &["pul-"], HEX_40),
    token("tailscale-key", &["tskey-"], &[Run(&LOWER, 3, 12), Text("-"), Run(&BASE64URL, 16, MANY)]),
    token("vault-token", &["hvs.", "hvb.", "hvr."], &[Run(&BASE64URL, 20, MANY)]),
    token("vault-token", &["s."], &[Run(&ALNUM, 24, 24), Dense, Not(&DOTTED)]),
    token("vault-unseal-key", &["Unseal Key "], &[Run(&DIGIT, 1, 2), Text(":"), Run(&BLANK, 1, 4), From, Run(&PADDED, 40, MANY)]),
    token("terraform-token", &[".atlasv1."], &[From, Run(&BASE64URL, 40, MANY)]).after(Context::Anything),
    // Forges, registries, builds.
    token("github-token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], ALNUM_36),
    token("github-fine-grained", &["github_pat_"], &[Run(&WORD, 50, MANY)]),
    token(
        "gitlab-token",
        &["glpat-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glsoat-", "glimt-", "glagent-", "gloas-", "glffct-"],
        DOTTED_20,
    ),
    token("gitlab-token", &["GR1348941"], &[Run(&BASE64URL, 20, MANY)]),
    token("npm-pypi-token", &["npm_"], &[Run(&ALNUM, 36, 36), Not(&WORD)]),
    token("npm-pypi-token", &["pypi-AgE"], &[Run(&BASE64URL, 50, MANY)]),
    token("rubygems-key", &["rubygems_"], &[Run(&HEX, 48, 48), Not(&WORD)]),
    token("crates-io-token", &["cio"], &[Run(&ALNUM, 32, 32), Dense, Not(&WORD)]),
    token("nuget-key", &["oy2"], &[Run(&LOWER.and(DIGIT), 43, 43), Not(&WORD)]),
    token("docker-token", &["dckr_pat_", "dckr_oat_"], &[Run(&BASE64URL, 20, MANY)]),
    token("artifactory-key", &["AKCp"], &[Run(&ALNUM, 60, MANY)]),
    token("circleci-token", &["CCIPAT_", "CCIPRJ_"], LONGER),
    token("buildkite-token", &["bkua_"], HEX_40),
    token("sonar-token", &["sqp_", "squ_", "sqa_"], HEX_40),
    token("atlassian-token", &["ATATT3", "ATCTT3", "ATBB"], &[Run(&BASE64URL, 28, MANY), Run(&Set::of("="), 0, 1), Run(&HEX, 0, 8)]),
    token("sourcegraph-token", &["sgp_"], &[Run(&WORD, 40, MANY)]),
    // Messages.
    token(
        "slack-token",
        &["xoxb-", "xoxp-", "xoxa-", "xoxo-", "xoxr-", "xoxs-", "xoxe-", "xoxc-", "xoxd-", "xoxe.xox", "xapp-"],
        &[Run(&SLACK, 10, MANY), Odd],
    ),
    token("slack-webhook", &["https://hooks.slack.com/"], &[OneOf(&["services/", "workflows/", "triggers/"]), Run(&PADDED, 30, MANY)]),
    token("discord-webhook", &["https://discord.com/api/webhooks/", "https://discordapp.com/api/webhooks/"], HOOK),
    token("teams-webhook", &[".webhook.office.com/webhookb2/"], &[From, Run(&DOTTED.and(Set::of("@/")), 60, MANY)])
        .after(Context::Anything),
    token("discord-token", &["M", "N", "O"], DISCORD),
    token("telegram-token", &[":AA"], &[From, Run(&BASE64URL, 33, 33), Not(&BASE64URL)]).after(Context::Number),
    token("twilio-key", &["SK"], HEX_32),
    token("sendgrid-key", &["SG."], &[Run(&BASE64URL, 22, 22), Text("."), Run(&BASE64URL, 43, 43), Not(&BASE64URL)]),
    token("sendinblue-key", &["xkeysib-"], &[Run(&HEX, 64, 64), Text("-"), Run(&ALNUM, 16, 16)]),
    token("mailgun-key", &["key-"], HEX_32),
    token("resend-key", &["re_"], &[Run(&ALNUM, 8, 8), Text("_"), Run(&ALNUM, 24, 24), Not(&WORD)]),
    // Payments and shops.
    token("stripe-key", &["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"], ALNUM_16),
    token("square-token", &["sq0atp-", "sq0csp-", "sq0idp-"], &[Run(&BASE64URL, 22, MANY)]),
    token("square-token", &["EAAA"], &[Run(&BASE64URL, 56, MANY)]),
    token("shopify-token", &["shpat_", "shpca_", "shppa_", "shpss_"], HEX_32),
    token("easypost-key", &["EZAK", "EZTK"], &[Run(&ALNUM, 54, 54), Not(&WORD)]),
    // Models.
    token("llm-key", &["sk-"], &[Run(&BASE64URL, 20, MANY), Mixed]),
    token("llm-key", &["gsk_", "pplx-", "xai-", "nvapi-", "hf_", "r8_", "lsv2_"], LONG),
    // Watching.
    token("grafana-token", &["glsa_", "glc_"], &[Run(&ANY64, 32, MANY)]),
    token("grafana-token", &["eyJrIjoi"], &[Run(&PADDED, 40, MANY)]),
    token("newrelic-key", &["NRAK-", "NRII-", "NRRA-"], &[Run(&BASE64URL, 27, MANY)]),
    token("sentry-token", &["sntrys_", "sntryu_"], &[Run(&ANY64, 40, MANY)]),
    token("dynatrace-token", &["dt0c01.", "dt0s01.", "dt0s02.", "dt0s16."], &[Run(&CAPITAL, 8, 24), Text("."), Run(&CAPITAL, 64, 64)]),
    // Tools.
    token("linear-token", &["lin_api_", "lin_oauth_"], LONG),
    token("postman-key", &["PMAK-"], &[Run(&HEX, 24, 24), Text("-"), Run(&HEX, 34, 34)]),
    token("doppler-token", &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."], LONGER),
    token("notion-token", &["ntn_"], ALNUM_36),
    token("notion-token", &["secret_"], &[Run(&ALNUM, 43, 43), Not(&WORD)]),
    token("airtable-token", &["pat"], &[Run(&ALNUM, 14, 14), Text("."), Run(&HEX, 64, 64)]),
    token("figma-token", &["figd_"], LONG),
    token("dropbox-token", &["sl."], &[Run(&BASE64URL, 100, MANY)]),
    token("1password-token", &["ops_eyJ"], &[Run(&PADDED, 100, MANY)]),
    token("1password-token", &["A3-"], &[Run(&CAPITAL, 6, 6), Text("-"), Run(&PAPER_KEY, 26, 32), Not(&BASE64URL)]),
    // Whatever issues them.
    token("jwt", &["eyJ"], JWT).rest(&DOTTED),
    token("jwt", &["eyJ"], JWE).rest(&DOTTED),
    token("bearer-token", &["bearer "], &[Run(&BLANK, 0, 3), From, Run(&CREDENTIAL, 20, MANY), Odd]).folded(),
    token("unix-password-hash", &["$1$", "$5$", "$6$", "$7$", "$y$", "$gy$", "$2a$", "$2b$", "$2x$", "$2y$"], HASH)
        .after(Context::Anything),
    token("unix-password-hash", &["$argon2id$", "$argon2i$", "$argon2d$", "$apr1$", "$sha1$", "$scrypt$", "$pbkdf2"], HASH)
        .after(Context::Anything),
    token("ldap-password-hash", &["{SHA}", "{SSHA}", "{SHA256}", "{SSHA256}", "{SHA512}", "{SSHA512}"], &[From, Run(&PADDED, 20, MANY)])
        .after(Context::Anything),
    token("scram-password-hash", &["SCRAM-SHA-256$"], &[From, Run(&DIGIT, 3, 8), Text(":"), Run(&SCRAM, 40, MANY)]),
    token("url-password", &["://"], &[Run(&USER, 0, 128), Text(":"), From, Run(&PASSWORD, 1, 256), Real, To, Text("@")])
        .after(Context::Scheme),
    // Arguments.
    token("option-password", &["--"], &[Run(&BASE64URL, 4, 48), Named, Run(&BLANK, 1, 4), Value(Kind::Option)]).after(Context::Blank),
    option(&["mysql", "mariadb"], &["-p"], HERE),
    option(&["curl"], &["-u", "--user", "-U", "--proxy-user"], NEXT_USER),
    option(&["sshpass"], &["-p"], &[Run(&BLANK, 0, 4), Run(&QUOTE, 0, 1), From, Run(&ARGUMENT, 1, MANY)]),
    option(&["redis-cli"], &["-a"], NEXT),
    option(&["ldap"], &["-w"], NEXT),
    option(&["openssl"], &["pass:"], HERE),
    option(&["ipmitool"], &["-P"], NEXT),
    option(&["htpasswd"], &["-nb ", "-bn ", "-b "], &[Run(&NAME, 1, 128), Run(&BLANK, 1, 4), From, Run(&ARGUMENT, 1, MANY)]),
    // Files of their own kinds.
    token("netrc-password", &["login", "account"], NETRC),
    token(
        "snmp-community",
        &["rocommunity", "rwcommunity", "rocommunity6", "rwcommunity6", "snmp-server community"],
        &[Run(&BLANK, 1, 4), From, Run(&ARGUMENT, 7, MANY)],
    ),
];
