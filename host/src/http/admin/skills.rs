//! `/admin/skills`

use ::http::StatusCode;
use serde::Serialize;

use crate::http::answer::{Response, with_json};
use crate::http::route::{Route, RouteRequest};
use crate::skill::{Catalog, Skill, SkillProblem};

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/admin/skills", |request| Box::pin(async move { Ok(answer(&request)) }))];

#[derive(Clone, Debug, Serialize)]
struct SkillList<'a> {
    /// By name.
    skills: Vec<&'a Skill>,
    /// What kept folders from being skills.
    problems: &'a [SkillProblem],
}

fn answer(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &list(&request.shared.services.skills.current()))
}

fn list(catalog: &Catalog) -> SkillList<'_> {
    SkillList { skills: catalog.skills.iter().map(AsRef::as_ref).collect(), problems: &catalog.problems }
}
