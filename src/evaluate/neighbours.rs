//! `neighbours.png`.

use gan_data::Picture;
use gan_data::io::grid_of_pictures;
use gan_metrics::score::nearest_neighbours;
use gan_metrics::suite::SetStatistics;

use super::sets::{PictureSet, Stored};
use crate::Failure;

/// Generated pictures that are shown.
const ROWS: usize = 10;
/// Real pictures beside each.
const COLUMNS: usize = 8;

/// A row for each of the first generated pictures: itself, a gap, and the real pictures whose features
/// are nearest, nearest first. Who learned by heart is found out here.
pub(super) fn picture_of_neighbours(
    fakes: &dyn PictureSet,
    reals: &Stored,
    [real, fake]: [&SetStatistics; 2],
) -> Result<Picture, Failure> {
    let rows = fake.kept();
    let count = ROWS.min(rows.count());
    let columns = COLUMNS.min(real.kept().count());
    let nearest = nearest_neighbours(&rows.first(count), &real.kept(), columns)?;
    let mut pictures = Vec::with_capacity(count * (columns + 2));
    for (drawn, nearest) in fakes.pictures(0..count)?.into_iter().zip(nearest) {
        let gap = Picture {
            pixels: vec![0; drawn.pixels.len()],
            ..drawn.clone()
        };
        pictures.extend([drawn, gap]);
        for neighbour in nearest {
            pictures.push(reals.picture(neighbour.index)?);
        }
    }
    Ok(grid_of_pictures(&pictures, columns + 2)?)
}
