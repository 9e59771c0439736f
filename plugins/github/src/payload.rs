//! The few fields of GitHub's payloads that an event is made of.
//!
//! Strings are borrowed from the body and everything else is skipped: no tree is built. The objects in a payload share one
//! type, which makes half the code of one type each: a field that an object does not have is simply none. They are boxed
//! because most are absent, and an absent box is cheap to move.

use std::borrow::Cow;

use serde::Deserialize;

/// A string that stays in the body unless it has escapes. `Option<Cow<str>>` alone would be copied.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A payload, of whatever event.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    action: Option<Text<'a>>,
    #[serde(borrow, rename = "ref")]
    reference: Option<Text<'a>>,
    #[serde(borrow)]
    ref_type: Option<Text<'a>>,
    #[serde(borrow)]
    sender: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    organization: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    repository: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    issue: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    pull_request: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    discussion: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    workflow_run: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    workflow_job: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    check_run: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    check_suite: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    alert: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    security_advisory: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    repository_advisory: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    installation: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    marketplace_purchase: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    sponsorship: Option<Box<Object<'a>>>,
}

/// Any object below: an account, a repository, an issue, a run, an alert.
#[derive(Debug, Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    login: Option<Text<'a>>,
    #[serde(borrow)]
    full_name: Option<Text<'a>>,
    number: Option<u64>,
    #[serde(borrow)]
    head_branch: Option<Text<'a>>,
    #[serde(borrow)]
    conclusion: Option<Text<'a>>,
    #[serde(borrow)]
    severity: Option<Text<'a>>,
    #[serde(borrow)]
    security_severity_level: Option<Text<'a>>,
    #[serde(borrow)]
    check_suite: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    security_advisory: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    rule: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    account: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    sponsorable: Option<Box<Object<'a>>>,
    #[serde(borrow)]
    ghsa_id: Option<Text<'a>>,
}

fn text<'p>(text: &'p Option<Text<'_>>) -> Option<&'p str> {
    text.as_ref().map(|text| &*text.0)
}

fn login<'p>(account: &'p Option<Box<Object<'_>>>) -> Option<&'p str> {
    account.as_ref().and_then(|account| text(&account.login))
}

/// The account of an installation or a purchase, or who is sponsored.
fn owner<'p>(contract: &'p Option<Box<Object<'_>>>) -> Option<&'p str> {
    let contract = contract.as_ref()?;
    login(&contract.account).or_else(|| login(&contract.sponsorable))
}

impl Payload<'_> {
    /// What happened, such as `opened`.
    pub(crate) fn action(&self) -> Option<&str> {
        text(&self.action)
    }

    /// Login of who caused the event.
    pub(crate) fn sender(&self) -> Option<&str> {
        login(&self.sender)
    }

    /// `owner/name`.
    pub(crate) fn repository(&self) -> Option<&str> {
        self.repository.as_ref().and_then(|repository| text(&repository.full_name))
    }

    /// What the event is about: a comment on a pull request has the subject of the pull request.
    pub(crate) fn subject(&self) -> Option<String> {
        let Some(repository) = self.repository() else {
            return self.account().map(str::to_owned);
        };
        if let Some(number) = self.number() {
            return Some(format!("{repository}#{number}"));
        }
        Some(match self.reference() {
            Some(reference) => [repository, "@", &*reference].concat(),
            None => repository.to_owned(),
        })
    }

    /// What an event without a repository is about: an organization, the account that has installed or bought an app or is
    /// sponsored, an advisory, or whoever caused it.
    fn account(&self) -> Option<&str> {
        login(&self.organization)
            .or_else(|| [&self.installation, &self.marketplace_purchase, &self.sponsorship].into_iter().find_map(owner))
            .or_else(|| self.security_advisory.as_ref().and_then(|advisory| text(&advisory.ghsa_id)))
            .or_else(|| self.sender())
    }

    /// Issues, pull requests and discussions of a repository share one sequence of numbers.
    fn number(&self) -> Option<u64> {
        [&self.issue, &self.pull_request, &self.discussion].into_iter().flatten().find_map(|object| object.number)
    }

    /// The full reference, `refs/heads/main`: pushes name it so, runs by the branch, creations and deletions by name and type.
    fn reference(&self) -> Option<Cow<'_, str>> {
        if let Some(reference) = text(&self.reference).filter(|reference| !reference.is_empty()) {
            return Some(match text(&self.ref_type) {
                Some("tag") => Cow::Owned(["refs/tags/", reference].concat()),
                Some("branch") => Cow::Owned(["refs/heads/", reference].concat()),
                _ => Cow::Borrowed(reference),
            });
        }
        let suite = self.check_run.as_ref().and_then(|run| run.check_suite.as_deref());
        let branch = self.runs().chain(suite).find_map(|run| text(&run.head_branch))?;
        Some(Cow::Owned(["refs/heads/", branch].concat()))
    }

    fn runs(&self) -> impl Iterator<Item = &Object<'_>> {
        [&self.workflow_run, &self.workflow_job, &self.check_suite, &self.check_run]
            .into_iter()
            .filter_map(|run| run.as_deref())
    }

    /// GitHub's own word for an alert or an advisory; `medium` for a run that failed.
    pub(crate) fn severity(&self) -> Option<&str> {
        let alert = self.alert.as_deref();
        let advisory = alert.and_then(|alert| alert.security_advisory.as_deref());
        let rule = alert.and_then(|alert| alert.rule.as_deref());
        [advisory, self.security_advisory.as_deref(), self.repository_advisory.as_deref(), alert]
            .into_iter()
            .flatten()
            .find_map(|advisory| text(&advisory.severity))
            .or_else(|| rule.and_then(|rule| text(&rule.security_severity_level).or_else(|| text(&rule.severity))))
            .or_else(|| self.runs().any(|run| text(&run.conclusion) == Some("failure")).then_some("medium"))
    }
}
