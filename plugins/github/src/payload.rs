//! The fields of GitHub's payloads that events are built from.
//!
//! Strings are borrowed from the body and everything else is skipped, so no tree is built. All objects in a payload share one
//! type, which halves the code compared with a type for each. A field that an object does not have is `None`.

use std::borrow::Cow;

use gateway_plugin_sdk::command::Written;
use gateway_plugin_sdk::json::{Object, Text};
use serde::Deserialize;

/// A payload of any event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    /// The state of a commit.
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow)]
    ref_type: Text<'a>,
    #[serde(borrow)]
    sender: Object<Entity<'a>>,
    #[serde(borrow)]
    organization: Object<Entity<'a>>,
    #[serde(borrow)]
    repository: Object<Entity<'a>>,
    #[serde(borrow)]
    issue: Object<Entity<'a>>,
    #[serde(borrow)]
    pull_request: Object<Entity<'a>>,
    #[serde(borrow)]
    discussion: Object<Entity<'a>>,
    #[serde(borrow)]
    comment: Object<Entity<'a>>,
    #[serde(borrow)]
    review: Object<Entity<'a>>,
    #[serde(borrow)]
    changes: Object<Changes<'a>>,
    #[serde(borrow)]
    workflow_run: Object<Entity<'a>>,
    #[serde(borrow)]
    workflow_job: Object<Entity<'a>>,
    #[serde(borrow)]
    check_run: Object<Entity<'a>>,
    #[serde(borrow)]
    check_suite: Object<Entity<'a>>,
    #[serde(borrow)]
    alert: Object<Entity<'a>>,
    #[serde(borrow)]
    deployment_status: Object<Entity<'a>>,
    #[serde(borrow)]
    security_advisory: Object<Entity<'a>>,
    #[serde(borrow)]
    repository_advisory: Object<Entity<'a>>,
    #[serde(borrow)]
    installation: Object<Entity<'a>>,
    #[serde(borrow)]
    marketplace_purchase: Object<Entity<'a>>,
    #[serde(borrow)]
    sponsorship: Object<Entity<'a>>,
}

/// Any object in a payload: an account, a repository, an issue, a comment, a run, an alert.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entity<'a> {
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
    performed_via_github_app: Object<Entity<'a>>,
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
    check_suite: Object<Entity<'a>>,
    #[serde(borrow)]
    security_advisory: Object<Entity<'a>>,
    #[serde(borrow)]
    rule: Object<Entity<'a>>,
    #[serde(borrow)]
    account: Object<Entity<'a>>,
    #[serde(borrow)]
    sponsorable: Object<Entity<'a>>,
    #[serde(borrow)]
    ghsa_id: Text<'a>,
}

/// The members that an edit changed.
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
    /// The action, such as `opened`.
    pub(crate) fn action(&self) -> Option<&str> {
        self.action.get()
    }

    /// The login of the user who caused the event.
    pub(crate) fn sender(&self) -> Option<&str> {
        login(&self.sender)
    }

    /// `owner/name`.
    pub(crate) fn repository(&self) -> Option<&str> {
        self.repository.get().and_then(|repository| repository.full_name.get())
    }

    /// The subject; a comment on a pull request has the subject of the pull request.
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

    /// The subject of an event without a repository: an organization, the account that installed or bought an app or is
    /// sponsored, an advisory, or the sender.
    fn account(&self) -> Option<&str> {
        login(&self.organization)
            .or_else(|| [&self.installation, &self.marketplace_purchase, &self.sponsorship].into_iter().find_map(owner))
            .or_else(|| self.security_advisory.get().and_then(|advisory| advisory.ghsa_id.get()))
            .or_else(|| self.sender())
    }

    /// The number. Issues, pull requests and discussions of a repository share one sequence.
    fn number(&self) -> Option<&str> {
        [&self.issue, &self.pull_request, &self.discussion].into_iter().find_map(|object| object.get()?.number.get())
    }

    /// The full reference, `refs/heads/main`. Pushes have it in full, runs as a branch, creations and deletions as name and type.
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

    fn runs(&self) -> impl Iterator<Item = &Entity<'_>> {
        [&self.workflow_run, &self.workflow_job, &self.check_suite, &self.check_run].into_iter().filter_map(Object::get)
    }

    /// The conclusion or the status of a run, else the state of a commit, an alert, a deployment, or of the subject.
    pub(crate) fn status(&self) -> Option<&str> {
        let entities = [&self.alert, &self.deployment_status, &self.issue, &self.pull_request, &self.discussion];
        self.runs()
            .find_map(|run| run.conclusion.get().or_else(|| run.status.get()))
            .or_else(|| self.state.get())
            .or_else(|| entities.into_iter().find_map(|entity| entity.get()?.state.get()))
    }

    /// GitHub's own severity of an alert or an advisory; `medium` for a failed run.
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

    /// The new or edited text: a comment, a review, or a description. Other events only repeat older texts.
    pub(crate) fn written(&self) -> Option<Written<'_>> {
        let text = self.written_object()?.body.get()?;
        if matches!(self.action.get(), Some("created" | "opened" | "submitted")) {
            return Some(Written::New(text));
        }
        // An edit of only the title has no change of the body.
        let before = self.changes.get()?.body.get()?;
        Some(Written::Edited { before: before.from.get().unwrap_or_default(), text })
    }

    /// The slug of the app that wrote the text in the name of the sender.
    pub(crate) fn app(&self) -> Option<&str> {
        self.written_object()?.performed_via_github_app.get()?.slug.get()
    }

    fn written_object(&self) -> Option<&Entity<'_>> {
        let [comment, review, discussion] = [&self.comment, &self.review, &self.discussion].map(Object::get);
        let [issue, pull_request] = [&self.issue, &self.pull_request].map(Object::get);
        match self.action.get()? {
            // Discussions are `created`, issues are `opened`.
            "created" | "submitted" => comment.or(review).or(discussion),
            "opened" | "edited" => comment.or(review).or(issue).or(pull_request).or(discussion),
            _ => None,
        }
    }
}

fn login<'p>(account: &'p Object<Entity<'_>>) -> Option<&'p str> {
    account.get().and_then(|account| account.login.get())
}

/// The account of an installation or a purchase, or the sponsored account.
fn owner<'p>(contract: &'p Object<Entity<'_>>) -> Option<&'p str> {
    let contract = contract.get()?;
    login(&contract.account).or_else(|| login(&contract.sponsorable))
}
