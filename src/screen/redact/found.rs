//! How many secrets of which kind.

use std::ops::AddAssign;

/// The ids of all patterns, in order.
const IDS: [&str; 85] = [
    "1password-token",
    "age-secret-key",
    "airtable-token",
    "artifactory-key",
    "atlassian-token",
    "auth-header",
    "aws-access-key-id",
    "aws-bedrock-key",
    "aws-secret-key",
    "aws-session-token",
    "azure-client-secret",
    "azure-sas",
    "azure-shared-key",
    "azure-storage-key",
    "bearer-token",
    "buildkite-token",
    "circleci-token",
    "cloudflare-origin-key",
    "crates-io-token",
    "databricks-token",
    "digitalocean-token",
    "discord-token",
    "discord-webhook",
    "docker-auth",
    "docker-token",
    "doppler-token",
    "dropbox-token",
    "dynatrace-token",
    "easypost-key",
    "figma-token",
    "fly-token",
    "gcp-api-key",
    "gcp-oauth",
    "github-fine-grained",
    "github-token",
    "gitlab-token",
    "grafana-token",
    "heroku-key",
    "jwt",
    "kv-password",
    "kv-token",
    "ldap-password-hash",
    "linear-token",
    "llm-key",
    "mailgun-key",
    "netlify-token",
    "netrc-password",
    "newrelic-key",
    "notion-token",
    "npm-auth",
    "npm-pypi-token",
    "nuget-key",
    "option-password",
    "planetscale-token",
    "postman-key",
    "private-key",
    "pulumi-token",
    "putty-private",
    "resend-key",
    "rubygems-key",
    "scram-password-hash",
    "sendgrid-key",
    "sendinblue-key",
    "sentry-token",
    "session-cookie",
    "shopify-token",
    "signed-url",
    "slack-token",
    "slack-webhook",
    "snmp-community",
    "sonar-token",
    "sourcegraph-token",
    "square-token",
    "stripe-key",
    "supabase-key",
    "tailscale-key",
    "teams-webhook",
    "telegram-token",
    "terraform-token",
    "twilio-key",
    "unix-password-hash",
    "url-password",
    "vault-token",
    "vault-unseal-key",
    "wireguard-key",
];

/// Counts by the id of the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found([u64; IDS.len()]);

impl Default for Found {
    fn default() -> Found {
        Found([0; IDS.len()])
    }
}

impl Found {
    /// How many ids there are.
    pub const COUNT: usize = IDS.len();

    /// Counts in the order of [`Found::ids`].
    pub fn from_counts(counts: [u64; Found::COUNT]) -> Found {
        Found(counts)
    }

    pub fn counts(&self) -> &[u64; Found::COUNT] {
        &self.0
    }

    pub(super) fn add(&mut self, id: &str) {
        let count = IDS.binary_search(&id).ok().and_then(|index| self.0.get_mut(index));
        count.into_iter().for_each(|count| *count += 1);
    }

    /// All ids that there are.
    pub fn ids() -> impl Iterator<Item = &'static str> {
        IDS.into_iter()
    }

    /// What there is any of.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        IDS.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl AddAssign for Found {
    fn add_assign(&mut self, other: Found) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{key, patterns};
    use super::*;

    #[test]
    fn the_ids_are_those_of_the_patterns() {
        let used: BTreeSet<&str> = patterns::PATTERNS.iter().map(|pattern| pattern.id).chain(key::ids()).collect();
        assert_eq!(IDS.to_vec(), used.into_iter().collect::<Vec<_>>());
        assert!(IDS.iter().all(|id| id.len() <= 24), "a replacement has room");
    }
}
