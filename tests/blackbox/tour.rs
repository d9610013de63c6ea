//! A company from nothing to a sold coffee, a refund and a statement: the script that `make tour` runs.

use local::demo::TOUR;
use std::path::Path;
use std::process::Command;
use tests::target::Target;

#[tokio::test(flavor = "multi_thread")]
async fn a_company_is_founded_and_sells_a_coffee() {
    let target = Target::find().await;
    let directory = tempfile::TempDir::new().unwrap();
    let endpoints = directory.path().join("endpoints.json");
    std::fs::write(&endpoints, serde_json::to_vec_pretty(&target.endpoints).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tour.sh");
    let tour = tokio::task::spawn_blocking(move || {
        let mut tour = Command::new(script);
        tour.env("ENDPOINTS", endpoints).env("PLACE", TOUR).output()
    });
    let tour = tour.await.unwrap().expect("a shell");
    let said = String::from_utf8_lossy(&tour.stdout);
    let complaint = String::from_utf8_lossy(&tour.stderr);
    assert!(tour.status.success() && said.ends_with("the tour is over\n"), "{said}{complaint}");
}
