use std::fs;
use std::path::Path;

use serde_json::json;

use super::files::{GRID_BYTES, MOST_GRIDS};
use super::*;
use crate::train::{DataInfo, RunInfo};

/// As much of a PNG file as the report looks at, `padding` bytes longer than it need be.
fn png(padding: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x20\0\0\0\x20".to_vec();
    bytes.resize(bytes.len() + padding, 7);
    bytes.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    bytes
}

fn info(data: &str) -> RunInfo {
    let data = DataInfo {
        name: data.into(),
        count: 60_000,
        fingerprint: "abc123".into(),
    };
    let mut info = RunInfo::new("mnist_gan", "flex (2 threads)", 3, data);
    info.parameters = [("critic".to_owned(), 73_490)].into();
    info
}

/// A run with everything that a report can show.
fn whole_run(root: &Path) -> RunDir {
    let run = RunDir::create(root, "mnist").unwrap();
    let config = json!({
        "data": { "source": "mnist", "size": 28, "channels": 1 },
        "model": {
            "preset": "default",
            "batch_size": 32,
            "total_kimg": 40.0,
            "gan": { "loss": "hinge", "critic_optimizer": { "lr": 0.003 } },
        },
    });
    run.write_config(&config).unwrap();
    run.write_info(&info("mnist")).unwrap();
    let log = r#"{"round":1,"kimg":1.0,"critic":0.5,"critic_gradient":2.0,"generator":0.25,"d_real":0.75,"d_fake":0.125,"drift":0.5}
{"round":2,"kimg":2.0,"critic":1.5,"critic_gradient":2.5,"generator":null,"d_real":0.625,"d_fake":0.25,"drift":0.5,"non_finite":{"generator":"NaN"}}
"#;
    fs::write(run.log(), log).unwrap();
    let timing = r#"{"round":1,"kimg":1.0,"seconds":60.0,"images_per_second":16.7}
{"round":2,"kimg":2.0,"seconds":125.0,"images_per_second":16.0}
"#;
    fs::write(run.timing(), timing).unwrap();
    let notice = r#"{"round":2,"kimg":2.0,"kind":"collapse","text":"at 2.0 kimg the samples have become alike"}
"#;
    fs::write(run.notices(), notice).unwrap();
    let scores = r#"{"round":1,"kimg":1.0,"value":90.5,"features":"digits","samples":5000,"reals":60000,"data":"mnist"}
{"round":2,"kimg":2.0,"value":45.25,"features":"digits","samples":5000,"reals":60000,"data":"mnist"}
"#;
    fs::write(run.path().join("metric-fid.jsonl"), scores).unwrap();
    let evaluation = json!({
        "real": { "name": "mnist", "fingerprint": null, "count": 60_000, "picture": "28x28" },
        "fake": { "name": "the run", "fingerprint": null, "count": 10_000, "picture": "28x28" },
        "features": "digits-1fb9a6ca",
        "scores": [
            { "name": "kid", "value": 0.25, "deviation": 0.125, "better": "lower", "how": "100 subsets" },
            { "name": "precision", "value": 0.75, "deviation": null, "better": "higher", "how": "" },
        ],
    });
    fs::write(run.path().join("evaluation.json"), evaluation.to_string()).unwrap();
    fs::write(run.reals(), png(1)).unwrap();
    fs::write(run.neighbours(), png(2)).unwrap();
    for (number, name) in ["fakes_init", "000001kimg", "000002kimg", "latest"]
        .into_iter()
        .enumerate()
    {
        fs::write(run.samples().join(format!("{name}.png")), png(10 + number)).unwrap();
    }
    run
}

fn page_of(run: &RunDir) -> String {
    let commands = [Command::new("Go on", "train --resume 'runs/0'")];
    let path = write_report(run, &commands).unwrap();
    assert_eq!(path, run.report());
    fs::read_to_string(path).unwrap()
}

#[track_caller]
fn assert_has(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "`{part}` is not on the page");
    }
}

#[test]
fn everything_in_the_folder_is_on_the_page() {
    let root = tempfile::tempdir().unwrap();
    let page = page_of(&whole_run(root.path()));
    assert_has(
        &page,
        &[
            "<h1>default on mnist</h1>",
            "00000-mnist",
            "2.0 <small>of 40 kimg</small>",
            "2 min 5 s",
            "16 <small>pictures/s</small>",
            "45.25 <small>at 2 kimg</small>",
            "At 2.0 kimg the samples have become alike.",
            "1 value in the log was not finite",
            "5,000 samples against 60,000 pictures of mnist, features digits",
            "mnist, 60,000 pictures",
            "10,000 pictures of the run, compared with 60,000 pictures of mnist; features digits-1fb9a6ca",
            "<th scope=\"row\">KID</th><td>0.2500 ± 0.1250</td><td>100 subsets</td>",
            "critic 73,490",
            "critic 0.003",
            "28 × 28 pixels, grey",
            "flex (2 threads)",
            "gan-core 0.1.0, Burn 0.22.1",
            "data-when=\"untrained\"",
            "data-when=\"1 kimg\"",
            "data-when=\"2.0 kimg, last\"",
            "Nearest training pictures",
            "<h3>Losses</h3>",
            "<h3>What the critic thinks</h3>",
            "<h3>Length of the gradients</h3>",
            "<h3>drift</h3>",
            "<h3>Speed</h3>",
            "train --resume &#39;runs/0&#39;",
            "&quot;preset&quot;: &quot;default&quot;",
        ],
    );
    assert!(!page.contains("Not shown"), "nothing is missing");
    assert_eq!(page.matches("data:image/png;base64,").count(), 6);
    let pictures = page.matches("<img ").count();
    assert_eq!(page.matches(" alt=\"").count(), pictures);
    assert!(!page.contains("{{"), "a placeholder is left");
}

/// Nothing is fetched, whatever a browser is told: no address of another file is on the page.
#[test]
fn the_page_needs_no_other_file() {
    let root = tempfile::tempdir().unwrap();
    let page = page_of(&whole_run(root.path()));
    for part in [
        "http:", "https:", "//cdn", "@import", "url(", "<link", "href=",
    ] {
        assert!(!page.contains(part), "{part}");
    }
    assert_eq!(
        page.matches("src=\"").count(),
        page.matches("src=\"data:").count()
    );
    assert_has(&page, &["default-src 'none'"]);
}

#[test]
fn no_text_of_a_run_becomes_markup() {
    let root = tempfile::tempdir().unwrap();
    let run = whole_run(root.path());
    let evil = "</script><script>alert(1)</script><img src=x onerror=\"alert(2)\">'";
    let mut info = info(evil);
    info.program = evil.into();
    info.device = evil.into();
    info.sample_rows = vec![evil.into()];
    info.parameters = [(evil.to_owned(), 1)].into();
    run.write_info(&info).unwrap();
    let optimizer = json!({ evil: { "lr": 0.1 } });
    let config = json!({
        "data": { "source": evil, "size": evil },
        "model": { "preset": evil, "gan": { "loss": evil, "optimizer": optimizer } },
        evil: evil,
    });
    run.write_config(&config).unwrap();
    let text = serde_json::to_string(evil).unwrap();
    fs::write(
        run.log(),
        format!("{{\"round\":1,\"kimg\":1.0,{text}:0.5}}\n"),
    )
    .unwrap();
    fs::write(
        run.notices(),
        format!("{{\"round\":1,\"kimg\":1.0,\"kind\":\"collapse\",\"text\":{text}}}\n"),
    )
    .unwrap();
    let score = format!(
        "{{\"round\":1,\"kimg\":1.0,\"value\":1.0,\"features\":{text},\"samples\":1,\"reals\":2,\"data\":{text}}}\n"
    );
    fs::write(run.path().join("metric-<b>fid.jsonl"), score).unwrap();
    let evaluation = json!({
        "fake": { "name": evil, "count": 1 },
        "features": evil,
        "scores": [{ "name": evil, "value": 1.0, "how": evil }],
    });
    fs::write(run.path().join("evaluation.json"), evaluation.to_string()).unwrap();
    fs::write(run.path().join("metric-<i>.jsonl"), "rubbish\n").unwrap();
    write_report(&run, &[Command::new(evil, evil)]).unwrap();
    let page = fs::read_to_string(run.report()).unwrap();
    let clean = page_of(&whole_run(root.path()));
    for tag in ["<script", "</script", "<b>", "<i>", "onerror=\""] {
        let (found, expected) = (page.matches(tag).count(), clean.matches(tag).count());
        assert_eq!(found, expected, "{tag}");
    }
    assert!(page.matches("&lt;script&gt;alert(1)").count() > 8);
    assert_eq!(page.matches("<img src").count(), 0);
}

#[test]
fn many_or_large_grids_do_not_make_a_large_page() {
    let root = tempfile::tempdir().unwrap();
    let run = whole_run(root.path());
    for number in 3..=500 {
        fs::write(
            run.samples().join(format!("{number:06}kimg.png")),
            png(number),
        )
        .unwrap();
    }
    let page = page_of(&run);
    assert_eq!(page.matches("<figure data-when").count(), MOST_GRIDS);
    assert_has(
        &page,
        &["60 of 502 grids", "data-when=\"untrained\"", "kimg, last"],
    );

    fs::remove_dir_all(run.samples()).unwrap();
    fs::create_dir(run.samples()).unwrap();
    for number in 0..20 {
        let name = format!("{number:06}kimg.png");
        fs::write(run.samples().join(name), png(1 << 20)).unwrap();
    }
    let page = page_of(&run);
    let grids = page.matches("<figure data-when").count();
    assert_eq!(grids, 11, "of 1 MiB and a little each");
    let most = GRID_BYTES as usize / 3 * 4 + (1 << 20);
    assert!(page.len() < most, "{} bytes", page.len());

    // A log of a long run.
    let line = |round: u64| {
        format!("{{\"round\":{round},\"kimg\":{round},\"critic\":0.123456,\"generator\":1.5}}\n")
    };
    fs::write(run.log(), (1..=50_000).map(line).collect::<String>()).unwrap();
    fs::remove_dir_all(run.samples()).unwrap();
    let page = page_of(&run);
    assert!(page.len() < 200_000, "{} bytes", page.len());
}

#[test]
fn damage_is_named_and_costs_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let run = whole_run(root.path());
    let mut log = fs::read(run.log()).unwrap();
    log.extend(b"\xff\xfe not text\n{\"round\":3,\"ki");
    fs::write(run.log(), log).unwrap();
    fs::write(run.info(), b"{").unwrap();
    fs::remove_file(run.timing()).unwrap();
    fs::write(run.reals(), &png(0)[..24]).unwrap();
    fs::write(run.samples().join("000001kimg.png"), b"GIF89a").unwrap();
    fs::create_dir(run.samples().join("000009kimg.png")).unwrap();
    fs::write(run.path().join("metric-kid.jsonl"), b"\0\0\0").unwrap();
    fs::write(run.neighbours(), b"").unwrap();
    let page = page_of(&run);
    assert_has(
        &page,
        &[
            "<h1>00000-mnist</h1>",
            "log.jsonl: 2 lines are damaged and left out",
            "run.json: cannot be understood",
            "timing.jsonl: not in the folder; nothing is known about time",
            "reals.png: the file is cut off",
            "000001kimg.png: not a PNG file",
            "000009kimg.png: ",
            "metric-kid.jsonl: 1 line is damaged",
            "neighbours.png: not a PNG file",
            "<h3>Losses</h3>",
            "<h3>FID</h3>",
        ],
    );
    assert_eq!(page.matches("<figure data-when").count(), 3);
}

#[test]
fn a_folder_with_nothing_in_it_has_a_page() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDir::create(root.path(), "empty").unwrap();
    let page = page_of(&run);
    assert_has(
        &page,
        &[
            "<h1>00000-empty</h1>",
            "config.json: not in the folder",
            "log.jsonl: not in the folder; there are no curves",
            "samples: there are no pictures",
        ],
    );
    assert!(!page.contains("<h2 id=\"samples\">") && !page.contains("<h2 id=\"curves\">"));
}

#[test]
fn the_same_files_give_the_same_page() {
    let [a, b] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (one, other) = (whole_run(a.path()), whole_run(b.path()));
    let page = page_of(&one);
    assert_eq!(page, page_of(&one), "written twice");
    assert_eq!(page, page_of(&other), "in another folder");
    let mut log = fs::read_to_string(other.log()).unwrap();
    log = log.replace("0.625", "0.626");
    fs::write(other.log(), log).unwrap();
    assert_ne!(page, page_of(&other), "another log");
}

/// Times begin again with every process, and rounds that were played again are there twice.
#[test]
fn time_adds_up_over_processes() {
    let line = |kimg: f64, seconds: f64| {
        serde_json::from_value(json!({
            "round": 1, "kimg": kimg, "seconds": seconds, "images_per_second": 1.0,
        }))
        .unwrap()
    };
    let files = RunFiles {
        timing: [
            (1.0, 10.0),
            (2.0, 20.0),
            (3.0, 40.0),
            (2.5, 5.0),
            (3.5, 15.0),
        ]
        .map(|(kimg, seconds)| line(kimg, seconds))
        .into(),
        ..RunFiles::default()
    };
    assert_eq!(charts::seconds(&files), Some(55.0));
    let speed = charts::of_log(&files).remove(0).curves.remove(0);
    // 1 kimg in 10 s, 1 in 20 s, 1 in 10 s
    let expected = [(2.0, Some(100.0)), (3.0, Some(50.0)), (3.5, Some(100.0))];
    assert_eq!(speed.points, expected);
}
