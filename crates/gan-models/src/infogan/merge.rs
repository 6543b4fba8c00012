//! Merging choices that views confuse.

use std::cmp::Ordering;

/// A move that gains less, in nats, is rounding; with such moves the search might not end.
const LEAST_GAIN: f64 = 1e-12;

/// How often, up to a factor, two views of a picture are read as two choices, the row and the column.
type Pairs = [Vec<f64>];

/// Which of several readers shares most information after its choices are merged to `groups`, and the group
/// of each of its choices. Of equal ones the first.
///
/// # Panics
///
/// Panics if there is no reader.
pub(super) fn merge_best(readers: &[Vec<Vec<f64>>], groups: usize) -> (usize, Vec<i64>) {
    let merged = readers.iter().enumerate().map(|(reader, pairs)| {
        let group_of = refine(pairs, merge(pairs, groups), groups);
        let information = shared_information(&grouped(pairs, &group_of, groups));
        (information, reader, group_of)
    });
    let best = merged.reduce(|best, next| if next.0 > best.0 { next } else { best });
    let (_, reader, group_of) = best.expect("there is a reader");
    (
        reader,
        group_of.into_iter().map(|group| group as i64).collect(),
    )
}

/// Moves single choices to the group where most information is shared, until no move helps: what was merged
/// early need not be right in the end.
fn refine(pairs: &Pairs, mut group_of: Vec<usize>, groups: usize) -> Vec<usize> {
    let information = |group_of: &[usize]| shared_information(&grouped(pairs, group_of, groups));
    let mut most = information(&group_of);
    loop {
        let before = most;
        for choice in 0..group_of.len() {
            let own = group_of[choice];
            if group_of.iter().filter(|group| **group == own).count() == 1 {
                continue; // Every group keeps a choice.
            }
            let mut best = own;
            for group in 0..groups {
                group_of[choice] = group;
                let found = information(&group_of);
                if found > most + LEAST_GAIN {
                    (most, best) = (found, group);
                }
            }
            group_of[choice] = best;
        }
        if most == before {
            return group_of;
        }
    }
}

/// The pairs of groups.
fn grouped(pairs: &Pairs, group_of: &[usize], groups: usize) -> Vec<Vec<f64>> {
    let mut sums = vec![vec![0.0; groups]; groups];
    for (row, values) in pairs.iter().enumerate() {
        for (column, value) in values.iter().enumerate() {
            sums[group_of[row]][group_of[column]] += value;
        }
    }
    sums
}

/// The group of each choice, after merging two by two those that lose least shared information.
fn merge(pairs: &Pairs, groups: usize) -> Vec<usize> {
    let mut pairs = pairs.to_vec();
    let mut group_of: Vec<usize> = (0..pairs.len()).collect();
    while pairs.len() > groups {
        let count = pairs.len();
        let all = (0..count).flat_map(|low| (low + 1..count).map(move |high| (low, high)));
        let information = |(low, high)| shared_information(&joined(&pairs, low, high));
        let scored = all.map(|pair| (information(pair), pair));
        let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
        let (_, (low, high)) = best.expect("there are two choices or more");
        pairs = joined(&pairs, low, high);
        for group in &mut group_of {
            match (*group).cmp(&high) {
                Ordering::Less => {}
                Ordering::Equal => *group = low,
                Ordering::Greater => *group -= 1,
            }
        }
    }
    group_of
}

/// The pairs after choice `high` became `low`.
fn joined(pairs: &Pairs, low: usize, high: usize) -> Vec<Vec<f64>> {
    let join = |row: &[f64]| {
        let mut row = row.to_vec();
        row[low] += row[high];
        row.remove(high);
        row
    };
    let mut rows: Vec<Vec<f64>> = pairs.iter().map(|row| join(row)).collect();
    let gone = rows.remove(high);
    rows[low].iter_mut().zip(gone).for_each(|(a, b)| *a += b);
    rows
}

/// Mutual information of rows and columns in nats.
fn shared_information(pairs: &Pairs) -> f64 {
    let sums: Vec<f64> = pairs.iter().map(|row| row.iter().sum()).collect();
    let total: f64 = sums.iter().sum();
    let cell = |row: usize, column: usize| {
        let joint = pairs[row][column];
        if joint > 0.0 {
            joint / total * (joint * total / (sums[row] * sums[column])).ln()
        } else {
            0.0
        }
    };
    let places = 0..pairs.len();
    let row = |row| places.clone().map(|column| cell(row, column)).sum::<f64>();
    places.clone().map(row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three kinds of pictures of which one is read as three choices and one as two.
    #[test]
    fn choices_that_views_confuse_are_merged() {
        let kind = [0usize, 1, 0, 2, 1, 0];
        let often = |a: usize, b: usize| match (a == b, kind[a] == kind[b]) {
            (true, _) => 8.0,
            (_, true) => 3.0,
            _ => 0.2,
        };
        let row = |a| (0..6).map(|b| often(a, b)).collect();
        let pairs: Vec<Vec<f64>> = (0..6).map(row).collect();
        let found = merge(&pairs, 3);
        for (a, b) in (0..6).flat_map(|a| (0..6).map(move |b| (a, b))) {
            assert_eq!(found[a] == found[b], kind[a] == kind[b], "{found:?}");
        }
        assert_eq!(merge(&pairs, 6), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn shared_information_of_sure_and_of_independent_pairs() {
        let sure = [vec![5.0, 0.0], vec![0.0, 5.0]];
        assert!((shared_information(&sure) - 2f64.ln()).abs() < 1e-12);
        let independent = [vec![1.0, 3.0], vec![3.0, 9.0]];
        assert!(shared_information(&independent).abs() < 1e-12);
    }

    /// Five choices for three groups, where what loses least at first is not best in the end. The best of all
    /// 150 ways is 0.1346, by trying them.
    #[test]
    fn single_moves_mend_what_merging_two_by_two_gets_wrong() {
        let pairs = [
            [11.0, 16.0, 4.0, 0.0, 13.0],
            [16.0, 9.0, 0.0, 10.0, 13.0],
            [4.0, 0.0, 24.0, 6.0, 11.0],
            [0.0, 10.0, 6.0, 13.0, 11.0],
            [13.0, 13.0, 11.0, 11.0, 14.0],
        ];
        let pairs = pairs.map(|row| row.to_vec());
        let merged = merge(&pairs, 3);
        let information = |group_of: &[usize]| shared_information(&grouped(&pairs, group_of, 3));
        assert!((information(&merged) - 0.0960).abs() < 1e-3, "{merged:?}");
        let refined = refine(&pairs, merged, 3);
        assert!((information(&refined) - 0.1346).abs() < 1e-3, "{refined:?}");
    }

    /// Where all is said alike, no move helps, and no group may be left empty.
    #[test]
    fn every_group_keeps_a_choice() {
        let pairs = [[1.0; 4]; 4].map(|row| row.to_vec());
        assert_eq!(refine(&pairs, vec![0, 1, 2, 2], 3), [0, 1, 2, 2]);
        let (_, mut groups) = merge_best(&[pairs.to_vec()], 3);
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(groups, [0, 1, 2]);
    }

    #[test]
    fn the_reader_that_shares_most_is_the_best() {
        // How sure three choices are, two of them one kind.
        let reader = |sure: f64| {
            let rows = [[sure, sure, 1.0], [sure, sure, 1.0], [1.0, 1.0, sure]];
            rows.map(|row| row.to_vec()).to_vec()
        };
        let (best, groups) = merge_best(&[reader(2.0), reader(9.0), reader(4.0)], 2);
        assert_eq!(best, 1);
        assert!(
            groups[0] == groups[1] && groups[1] != groups[2],
            "{groups:?}"
        );
        // More information of all choices does not help if less is left after merging.
        let many = [[6.0, 1.0, 1.0], [1.0, 6.0, 1.0], [1.0, 1.0, 6.0]];
        let many = many.map(|row| row.to_vec()).to_vec();
        let pair = reader(6.0);
        assert!(shared_information(&many) > shared_information(&pair));
        let (best, _) = merge_best(&[many, pair], 2);
        assert_eq!(best, 1);
        assert_eq!(merge_best(&[reader(3.0), reader(3.0)], 2).0, 0);
    }
}
