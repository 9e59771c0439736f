//! The few fields of GitHub's payloads that an event is made of.
//!
//! Strings are borrowed from the body and everything else is skipped: no tree is built. The objects in a payload share one
//! type, which makes half the code of one type each: a field that an object does not have is simply none.

use std::borrow::Cow;

use gateway_plugin_sdk::command::Written;
use gateway_plugin_sdk::json::{Object, Text};
use serde::Deserialize;

/// A payload, of whatever event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    /// Of a commit.
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow)]
    ref_type: Text<'a>,
    #[serde(borrow)]
    sender: Object<Thing<'a>>,
    #[serde(borrow)]
    organization: Object<Thing<'a>>,
    #[serde(borrow)]
    repository: Object<Thing<'a>>,
    #[serde(borrow)]
    issue: Object<Thing<'a>>,
    #[serde(borrow)]
    pull_request: Object<Thing<'a>>,
    #[serde(borrow)]
    discussion: Object<Thing<'a>>,
    #[serde(borrow)]
    comment: Object<Thing<'a>>,
    #[serde(borrow)]
    review: Object<Thing<'a>>,
    #[serde(borrow)]
    changes: Object<Changes<'a>>,
    #[serde(borrow)]
    workflow_run: Object<Thing<'a>>,
    #[serde(borrow)]
    workflow_job: Object<Thing<'a>>,
    #[serde(borrow)]
    check_run: Object<Thing<'a>>,
    #[serde(borrow)]
    check_suite: Object<Thing<'a>>,
    #[serde(borrow)]
    alert: Object<Thing<'a>>,
    #[serde(borrow)]
    deployment_status: Object<Thing<'a>>,
    #[serde(borrow)]
    security_advisory: Object<Thing<'a>>,
    #[serde(borrow)]
    repository_advisory: Object<Thing<'a>>,
    #[serde(borrow)]
    installation: Object<Thing<'a>>,
    #[serde(borrow)]
    marketplace_purchase: Object<Thing<'a>>,
    #[serde(borrow)]
    sponsorship: Object<Thing<'a>>,
}

/// Any object below: an account, a repository, an issue, a comment, a run, an alert.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Thing<'a> {
    #[serde(borrow)]
    login: Text<'a>,
    #[serde(borrow)]
    slug: Text<'a>,
    #[serde(borrow)]
    full_name: Text<'a>,
    #[serde(borrow)]
    number: Text<'a>,
    #[serde(borrow)]
    body: Text<'a>,
    #[serde(borrow)]
    performed_via_github_app: Object<Thing<'a>>,
    #[serde(borrow)]
    head_branch: Text<'a>,
    #[serde(borrow)]
    conclusion: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    severity: Text<'a>,
    #[serde(borrow)]
    security_severity_level: Text<'a>,
    #[serde(borrow)]
    check_suite: Object<Thing<'a>>,
    #[serde(borrow)]
    security_advisory: Object<Thing<'a>>,
    #[serde(borrow)]
    rule: Object<Thing<'a>>,
    #[serde(borrow)]
    account: Object<Thing<'a>>,
    #[serde(borrow)]
    sponsorable: Object<Thing<'a>>,
    #[serde(borrow)]
    ghsa_id: Text<'a>,
}

/// What an edit has changed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Changes<'a> {
    #[serde(borrow)]
    body: Object<Change<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Change<'a> {
    #[serde(borrow)]
    from: Text<'a>,
}

impl Payload<'_> {
    /// What happened, such as `opened`.
    pub(crate) fn action(&self) -> Option<&str> {
        self.action.get()
    }

    /// Login of who caused the event.
    pub(crate) fn sender(&self) -> Option<&str> {
        login(&self.sender)
    }

    /// `owner/name`.
    pub(crate) fn repository(&self) -> Option<&str> {
        self.repository.get().and_then(|repository| repository.full_name.get())
    }

    /// What the event is about: a comment on a pull request has the subject of the pull request.
    pub(crate) fn subject(&self) -> Option<String> {
        let Some(repository) = self.repository() else {
            return self.account().map(str::to_owned);
        };
        if let Some(number) = self.number() {
            return Some([repository, "#", number].concat());
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
            .or_else(|| self.security_advisory.get().and_then(|advisory| advisory.ghsa_id.get()))
            .or_else(|| self.sender())
    }

    /// Issues, pull requests and discussions of a repository share one sequence of numbers.
    fn number(&self) -> Option<&str> {
        [&self.issue, &self.pull_request, &self.discussion].into_iter().find_map(|object| object.get()?.number.get())
    }

    /// The full reference, `refs/heads/main`: pushes name it so, runs by the branch, creations and deletions by name and type.
    fn reference(&self) -> Option<Cow<'_, str>> {
        if let Some(reference) = self.reference.get() {
            return Some(match self.ref_type.get() {
                Some("tag") => Cow::Owned(["refs/tags/", reference].concat()),
                Some("branch") => Cow::Owned(["refs/heads/", reference].concat()),
                _ => Cow::Borrowed(reference),
            });
        }
        let suite = self.check_run.get().and_then(|run| run.check_suite.get());
        let branch = self.runs().chain(suite).find_map(|run| run.head_branch.get())?;
        Some(Cow::Owned(["refs/heads/", branch].concat()))
    }

    fn runs(&self) -> impl Iterator<Item = &Thing<'_>> {
        [&self.workflow_run, &self.workflow_job, &self.check_suite, &self.check_run].into_iter().filter_map(Object::get)
    }

    /// How a run ended or how far it is; else the state of a commit, an alert, a deployment, or of what the event is about.
    pub(crate) fn status(&self) -> Option<&str> {
        let things = [&self.alert, &self.deployment_status, &self.issue, &self.pull_request, &self.discussion];
        self.runs()
            .find_map(|run| run.conclusion.get().or_else(|| run.status.get()))
            .or_else(|| self.state.get())
            .or_else(|| things.into_iter().find_map(|thing| thing.get()?.state.get()))
    }

    /// GitHub's own word for an alert or an advisory; `medium` for a run that failed.
    pub(crate) fn severity(&self) -> Option<&str> {
        let alert = self.alert.get();
        let advisory = alert.and_then(|alert| alert.security_advisory.get());
        let rule = alert.and_then(|alert| alert.rule.get());
        [advisory, self.security_advisory.get(), self.repository_advisory.get(), alert]
            .into_iter()
            .flatten()
            .find_map(|advisory| advisory.severity.get())
            .or_else(|| rule.and_then(|rule| rule.security_severity_level.get().or_else(|| rule.severity.get())))
            .or_else(|| self.runs().any(|run| run.conclusion.is("failure")).then_some("medium"))
    }

    /// What was written just now: a comment, a review, or the description of what was opened. Any other event repeats texts that
    /// were there before.
    pub(crate) fn written(&self) -> Option<Written<'_>> {
        let text = self.just_written()?.body.get()?;
        if matches!(self.action.get(), Some("created" | "opened" | "submitted")) {
            return Some(Written::New(text));
        }
        // An edit of a title alone has no change of the body.
        let before = self.changes.get()?.body.get()?;
        Some(Written::Edited { before: before.from.get().unwrap_or_default(), text })
    }

    /// The slug of the app that wrote what was written just now in the name of its sender.
    pub(crate) fn app(&self) -> Option<&str> {
        self.just_written()?.performed_via_github_app.get()?.slug.get()
    }

    fn just_written(&self) -> Option<&Thing<'_>> {
        let [comment, review, discussion] = [&self.comment, &self.review, &self.discussion].map(Object::get);
        let [issue, pull_request] = [&self.issue, &self.pull_request].map(Object::get);
        match self.action.get()? {
            // Discussions are created where issues are opened.
            "created" | "submitted" => comment.or(review).or(discussion),
            "opened" | "edited" => comment.or(review).or(issue).or(pull_request).or(discussion),
            _ => None,
        }
    }
}

fn login<'p>(account: &'p Object<Thing<'_>>) -> Option<&'p str> {
    account.get().and_then(|account| account.login.get())
}

/// The account of an installation or a purchase, or who is sponsored.
fn owner<'p>(contract: &'p Object<Thing<'_>>) -> Option<&'p str> {
    let contract = contract.get()?;
    login(&contract.account).or_else(|| login(&contract.sponsorable))
}
