//! Checkpoints: exact, the same bytes each time, and never half of one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData, bf16, f16};
use gan_core::game::{Clock, State};
use gan_core::train::{Better, CheckpointError, Checkpoints, Extra, RunDir};

use super::toy::create;

pub fn small_state() -> State {
    let mut state = State::default();
    let group: BTreeMap<_, _> = [
        (
            "weight".to_owned(),
            TensorData::new(vec![1.5f32, -2.0, f32::MIN_POSITIVE], [3, 1]),
        ),
        ("bias".to_owned(), TensorData::new(vec![0.25f32], [1])),
    ]
    .into();
    state.groups.insert("critic".into(), group);
    state
        .groups
        .insert("critic-optimizer".into(), BTreeMap::new());
    state.numbers.insert("steps".into(), 12.0);
    state
}

/// One tensor of every type, with the values that are easily lost.
fn every_type() -> State {
    let mut group = BTreeMap::new();
    let mut add = |name: &str, data: TensorData| group.insert(name.to_owned(), data);
    let odd = f32::from_bits(0x7fc1_2345);
    add(
        "f32",
        TensorData::new(vec![f32::NAN, odd, -0.0, f32::INFINITY, 1e-45, 0.1], [2, 3]),
    );
    add(
        "f64",
        TensorData::new(vec![f64::MAX, -0.0, 5e-324, 0.1], [4]),
    );
    add(
        "f16",
        TensorData::new(vec![f16::from_f32(0.1), f16::NAN], [2]),
    );
    add(
        "bf16",
        TensorData::new(vec![bf16::from_f32(0.1)], [1, 1, 1]),
    );
    add("i64", TensorData::new(vec![i64::MIN, i64::MAX], [2]));
    add("i32", TensorData::new(vec![i32::MIN, i32::MAX, 0], [3]));
    add("i16", TensorData::new(vec![i16::MIN], [1]));
    add("i8", TensorData::new(vec![i8::MIN], [1]));
    add("u64", TensorData::new(vec![u64::MAX], [1]));
    add("u32", TensorData::new(vec![u32::MAX], [1]));
    add("u16", TensorData::new(vec![u16::MAX], [1]));
    add("u8", TensorData::new(vec![u8::MAX, 0, 7], [3]));
    add("bool", TensorData::new(vec![true, false], [2]));
    add("empty", TensorData::new(Vec::<f32>::new(), [0, 4]));
    add("a.b.c", TensorData::new(vec![1.0f32], [1]));
    let mut state = small_state();
    state.groups.insert("every.type_1".into(), group);
    for (name, value) in [
        ("tenth", 0.1),
        ("big", 1e300),
        ("inf", f64::INFINITY),
        ("-0", -0.0),
    ] {
        state.numbers.insert(name.into(), value);
    }
    state
}

fn clock(round: u64) -> Clock {
    Clock {
        seed: 3,
        round,
        images: round * 64,
    }
}

fn healthy() -> Extra {
    Extra {
        healthy: true,
        ..Extra::default()
    }
}

/// Names of the folders in `checkpoints/`, sorted.
pub fn folders(run: &RunDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(run.checkpoints())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let path = |entry: fs::DirEntry| entry.path();
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| path(entry.unwrap()));
    entries
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_state_comes_back_to_the_last_bit() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let mut checkpoints = Checkpoints::new(&run, 2);
    let state = every_type();
    let mut extra = healthy();
    extra.numbers.insert("guard".into(), f64::NAN);
    checkpoints.mark_best("fid", 0.1 + 0.2, Better::Lower, &clock(5));
    let path = checkpoints.save(&state, &clock(5), &extra).unwrap();
    let saved = Checkpoints::new(&run, 2)
        .latest_good()
        .unwrap()
        .good
        .unwrap();
    assert_eq!(
        (saved.path, saved.clock, saved.healthy),
        (path, clock(5), true)
    );
    assert!(saved.numbers["guard"].is_nan());
    let best = saved.best.unwrap();
    assert_eq!(
        (best.metric.as_str(), best.value, best.round),
        ("fid", 0.1 + 0.2, 5)
    );

    let names = |state: &State| state.groups.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&saved.state), names(&state));
    for (group, tensors) in &state.groups {
        assert_eq!(saved.state.groups[group].len(), tensors.len());
        for (path, data) in tensors {
            let found = &saved.state.groups[group][path];
            assert_eq!(found.dtype(), data.dtype(), "{path}");
            assert_eq!(found.shape(), data.shape(), "{path}");
            assert_eq!(found.as_bytes(), data.as_bytes(), "{path}");
        }
    }
    for (name, value) in &state.numbers {
        assert_eq!(
            saved.state.numbers[name].to_bits(),
            value.to_bits(),
            "{name}"
        );
    }
    // The values can be used as what they are.
    let tensors = &saved.state.groups["every.type_1"];
    assert_eq!(
        tensors["i64"].as_slice::<i64>().unwrap(),
        [i64::MIN, i64::MAX]
    );
    assert_eq!(tensors["f64"].as_slice::<f64>().unwrap()[3], 0.1);
}

#[test]
fn the_same_state_gives_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let save = || {
        let run = create(root.path());
        let path = Checkpoints::new(&run, 2)
            .save(&every_type(), &clock(5), &healthy())
            .unwrap();
        files(&path).into_values().collect::<Vec<_>>()
    };
    let first = save();
    assert_eq!(first.len(), 5);
    for _ in 0..5 {
        assert_eq!(save(), first);
    }
}

#[test]
fn what_cannot_be_stored_is_named_and_nothing_is_left() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let mut checkpoints = Checkpoints::new(&run, 2);
    for name in ["../critic", "a/b", "", ".hidden", "ü"] {
        let mut state = small_state();
        state.groups.insert(name.into(), BTreeMap::new());
        let error = checkpoints.save(&state, &clock(1), &healthy()).unwrap_err();
        assert!(
            matches!(error, CheckpointError::Unsupported { .. }),
            "{error}"
        );
    }
    let mut state = small_state();
    let words = TensorData::from_bytes_vec(
        vec![1, 0, 0, 0],
        [1],
        DType::Bool(burn::tensor::BoolStore::U32),
    );
    state
        .groups
        .get_mut("critic")
        .unwrap()
        .insert("mask".into(), words);
    let error = checkpoints
        .save(&state, &clock(1), &healthy())
        .unwrap_err()
        .to_string();
    assert!(error.contains("critic/mask"), "{error}");
    assert!(folders(&run).is_empty());
}

/// Two checkpoints; checks that damage to the newer one is found, named, and the older one used.
struct Pair {
    _root: tempfile::TempDir,
    run: RunDir,
    newer: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Pair {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let run = create(root.path());
        let mut checkpoints = Checkpoints::new(&run, 2);
        checkpoints
            .save(&small_state(), &clock(1), &healthy())
            .unwrap();
        let newer = checkpoints
            .save(&small_state(), &clock(2), &healthy())
            .unwrap();
        let files = files(&newer);
        assert_eq!(files.len(), 4);
        Self {
            _root: root,
            run,
            newer,
            files,
        }
    }

    fn assert_found(&self, file: &Path, what: &str) {
        let found = Checkpoints::new(&self.run, 2).latest_good().unwrap();
        assert_eq!(
            found.damaged.len(),
            1,
            "{what} of {} was not found",
            file.display()
        );
        assert_eq!(found.damaged[0].path, self.newer);
        let name = file.file_name().unwrap().to_str().unwrap();
        let said = found.damaged[0].to_string();
        assert!(
            said.contains(name) && said.contains("000000002"),
            "{what}: {said}"
        );
        let good = found.good.unwrap();
        assert_eq!((good.clock, good.state), (clock(1), small_state()));
    }
}

#[test]
fn a_file_cut_anywhere_is_found() {
    let pair = Pair::new();
    for (path, bytes) in &pair.files {
        for length in 0..bytes.len() {
            fs::write(path, &bytes[..length]).unwrap();
            pair.assert_found(path, &format!("a cut at {length}"));
        }
        fs::write(path, [bytes.as_slice(), b"\n"].concat()).unwrap();
        pair.assert_found(path, "a byte too many");
        fs::remove_file(path).unwrap();
        pair.assert_found(path, "a loss");
        fs::write(path, bytes).unwrap();
    }
    assert!(
        Checkpoints::new(&pair.run, 2)
            .latest_good()
            .unwrap()
            .damaged
            .is_empty()
    );
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let pair = Pair::new();
    for (path, bytes) in &pair.files {
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << (position % 8);
            fs::write(path, flipped).unwrap();
            pair.assert_found(path, &format!("a flip in byte {position}"));
        }
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn another_format_is_named() {
    let pair = Pair::new();
    let manifest = pair.newer.join("manifest.json");
    fs::write(&manifest, "{\"format\": 2, \"other\": []}").unwrap();
    pair.assert_found(&manifest, "another format");
    let said = Checkpoints::load(&pair.newer).unwrap_err().to_string();
    assert!(
        said.contains("format 2") && said.contains("format 1"),
        "{said}"
    );
}

#[test]
fn half_written_folders_are_no_checkpoints() {
    let pair = Pair::new();
    for name in [
        "000000003.tmp-77",
        "000000002-old.tmp-77",
        "000000003-stopped.tmp-1",
    ] {
        fs::create_dir(pair.run.checkpoints().join(name)).unwrap();
    }
    fs::create_dir(pair.run.checkpoints().join("my notes")).unwrap();
    let checkpoints = Checkpoints::new(&pair.run, 2);
    let found = checkpoints.latest_good().unwrap();
    assert_eq!(found.good.unwrap().clock, clock(2));
    assert!(found.damaged.is_empty());
    checkpoints.remove_half_written().unwrap();
    assert_eq!(folders(&pair.run), ["000000001", "000000002", "my notes"]);
    // A folder with the right name but nothing finished in it.
    fs::create_dir(pair.run.checkpoints().join("000000009")).unwrap();
    let found = checkpoints.latest_good().unwrap();
    assert!(
        found.damaged[0].to_string().contains("never finished"),
        "{:?}",
        found.damaged
    );
    assert_eq!(found.good.unwrap().clock, clock(2));
}

#[test]
fn a_damaged_checkpoint_makes_way_for_a_new_one_of_its_round() {
    let pair = Pair::new();
    fs::write(pair.newer.join("state.json"), b"rubbish").unwrap();
    let mut checkpoints = Checkpoints::new(&pair.run, 2);
    checkpoints
        .save(&small_state(), &clock(2), &healthy())
        .unwrap();
    assert_eq!(files(&pair.newer), pair.files);
    assert_eq!(folders(&pair.run), ["000000001", "000000002"]);
}

#[test]
fn the_last_the_best_and_the_last_healthy_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let mut checkpoints = Checkpoints::new(&run, 2);
    let mut save = |round: u64, score: f64, healthy: bool| {
        let is_best = checkpoints.mark_best("fid", score, Better::Lower, &clock(round));
        let extra = Extra {
            healthy,
            ..Extra::default()
        };
        checkpoints
            .save(&small_state(), &clock(round), &extra)
            .unwrap();
        is_best
    };
    assert!(save(1, 9.0, true));
    assert!(save(2, 5.0, true));
    assert!(!save(3, f64::NAN, true));
    assert!(!save(4, 5.0, true));
    assert!(!save(5, 6.0, false));
    assert_eq!(folders(&run), ["000000002", "000000004", "000000005"]);
    save(6, 6.0, false);
    save(7, 6.0, false);
    assert_eq!(
        folders(&run),
        ["000000002", "000000004", "000000006", "000000007"]
    );
    let good = |found: Result<gan_core::train::Found, _>| found.unwrap().good.unwrap().clock.round;
    let all = Checkpoints::new(&run, 2);
    assert_eq!(
        (good(all.latest_good()), good(all.latest_healthy())),
        (7, 4)
    );
    save(8, 4.0, true);
    assert_eq!(folders(&run), ["000000007", "000000008"]);
}

#[test]
fn the_only_checkpoint_is_never_removed() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let mut checkpoints = Checkpoints::new(&run, 0);
    for round in 1..4 {
        checkpoints
            .save(&small_state(), &clock(round), &Extra::default())
            .unwrap();
        assert_eq!(folders(&run), [format!("{round:09}")]);
    }
    assert_eq!(
        checkpoints.latest_healthy().unwrap().good.unwrap().clock,
        clock(3)
    );
}

#[test]
fn a_stop_stays_until_the_next_checkpoint_and_pushes_none_out() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let mut checkpoints = Checkpoints::new(&run, 1);
    let stop = Extra {
        stopped: true,
        ..healthy()
    };
    checkpoints
        .save(&small_state(), &clock(1), &healthy())
        .unwrap();
    checkpoints.save(&small_state(), &clock(2), &stop).unwrap();
    checkpoints.save(&small_state(), &clock(3), &stop).unwrap();
    assert_eq!(folders(&run), ["000000001", "000000003-stopped"]);
    assert_eq!(
        checkpoints.latest_good().unwrap().good.unwrap().clock,
        clock(3)
    );
    checkpoints
        .save(&small_state(), &clock(4), &healthy())
        .unwrap();
    assert_eq!(folders(&run), ["000000004"]);
}

#[test]
fn later_checkpoints_are_of_a_course_that_was_given_up() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let mut checkpoints = Checkpoints::new(&run, 5);
    for round in [10, 20, 30] {
        checkpoints
            .save(&small_state(), &clock(round), &healthy())
            .unwrap();
    }
    checkpoints
        .save(&small_state(), &clock(15), &healthy())
        .unwrap();
    assert_eq!(folders(&run), ["000000010", "000000015"]);
    checkpoints.discard_after(10).unwrap();
    assert_eq!(folders(&run), ["000000010"]);
    // Beyond nine digits names still sort by round.
    checkpoints
        .save(&small_state(), &clock(12_345_678_901), &healthy())
        .unwrap();
    assert_eq!(
        checkpoints.latest_good().unwrap().good.unwrap().clock.round,
        12_345_678_901
    );
}
