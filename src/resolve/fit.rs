//! Whether pictures are such as a model wants.

use gan_data::source::Pictures;
use gan_models::Model;

use crate::Failure;

/// The pictures must have the labels that the model wants.
pub(super) fn check_labels<M: Model>(model: &M, data: &dyn Pictures) -> Result<(), Failure> {
    let (wanted, there) = (model.num_labels(), data.class_names());
    let there = there.map_or(0, |names| names.len());
    if wanted == 0 || wanted == there {
        return Ok(());
    }
    Err(Failure::new(format!(
        "--data: the pictures have {there} classes and the model {wanted}; give pictures with as many \
         classes, in one folder each"
    )))
}

/// Pairs in one file, named by `flag`, must be pairs.
pub(crate) fn check_proportions<M: Model>(
    model: &M,
    data: &dyn Pictures,
    flag: &str,
) -> Result<(), Failure> {
    let [height, width] = model.loaded_size();
    if height == width {
        return Ok(());
    }
    let first = data.get(0)?;
    if first.width * height == first.height * width {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{flag}: the preset {} wants source and target side by side in one picture, twice as wide as high, and \
         the first is {} x {}; give such pictures, or a preset that makes the sources",
        model.name(),
        first.width,
        first.height
    )))
}
