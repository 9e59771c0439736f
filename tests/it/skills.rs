//! Skills are discovered, offered to the agents of a route, and reloaded when they change.

use std::fs;

use serde_json::json;

use crate::support::{RemoteAgent, Setup, built_in};

const TRIAGE: &str = "---\nname: triage\ndescription: Sorts alerts by urgency.\n---\nAsk first.\n";

#[tokio::test]
async fn a_route_offers_the_skills_that_it_allows() {
    let agent = RemoteAgent::start().await;
    let address = agent.address;
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::HTTP)
        .file("skills/triage/SKILL.md", TRIAGE)
        .file("skills/deploy/SKILL.md", TRIAGE.replace("triage", "deploy"))
        .file("skills/broken/SKILL.md", "no front matter")
        .config(&format!(
            r#"
            [agents.triage]
            plugin = "http"
            config = {{ url = "http://{address}/" }}
            allow_hosts = ["{address}"]
            [[routes]]
            agents = ["triage"]
            skills = ["triage", "written-later"]
            "#
        ))
        .start()
        .await;
    let found =
        gateway.until("two skills", async || Some(gateway.list("skills").await).filter(|all| all.len() == 2)).await;
    assert_eq!(found[1]["name"], "triage");

    let id = gateway.post("dummy", "{}").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;
    let later = gateway.path().join("skills/written-later");
    fs::create_dir(&later).unwrap();
    fs::write(later.join("SKILL.md"), TRIAGE.replace("triage", "written-later")).unwrap();
    gateway.until("the new skill", async || (gateway.list("skills").await.len() == 3).then_some(())).await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;

    let skills = agent.received().iter().map(|request| request.json()["skills"].clone()).collect::<Vec<_>>();
    let names =
        |index: usize| skills[index].as_array().unwrap().iter().map(|skill| skill["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(0), ["triage"]);
    assert_eq!(names(1), ["triage", "written-later"]);
    assert_eq!(skills[0][0]["description"], json!("Sorts alerts by urgency."));
    assert!(skills[0][0]["path"].as_str().unwrap().ends_with("skills/triage/SKILL.md"));
    gateway.logged(&["broken"]).await;
}
