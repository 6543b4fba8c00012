//! The file that `torch.save` makes of a state dict: a zip archive with a pickle that says what the
//! tensors are, and a file of plain numbers for each of them.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use burn::tensor::{DType, TensorData};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Folder in the archive that holds everything.
const ROOT: &str = "archive";

/// The bytes of a file that `torch.load` reads, with `weights_only=True` as well; or what is wrong.
pub(super) fn bytes(tensors: &BTreeMap<String, TensorData>) -> Result<Vec<u8>, String> {
    let pickle = pickle(tensors)?;
    let archive = archive(&pickle, tensors);
    archive.map_err(|error| format!("cannot be put together: {error}"))
}

fn archive(
    pickle: &[u8],
    tensors: &BTreeMap<String, TensorData>,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    // As PyTorch does: nothing compressed, and numbers where a reader can map them into memory.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .with_alignment(64);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, bytes: &[u8]| -> Result<(), Box<dyn std::error::Error>> {
        let options = options.large_file(u32::try_from(bytes.len()).is_err());
        zip.start_file(format!("{ROOT}/{name}"), options)?;
        Ok(zip.write_all(bytes)?)
    };
    add("data.pkl", pickle)?;
    add("byteorder", b"little")?;
    for (index, data) in tensors.values().enumerate() {
        add(&format!("data/{index}"), data.as_bytes())?;
    }
    add("version", b"3\n")?;
    Ok(zip.finish()?.into_inner())
}

/// A dict of name and tensor in pickle's protocol 2.
///
/// A tensor is `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`,
/// its storage the persistent object `("storage", type, file, "cpu", count)`.
fn pickle(tensors: &BTreeMap<String, TensorData>) -> Result<Vec<u8>, String> {
    let mut pickle = Pickle(Vec::new());
    pickle.put(b"\x80\x02}("); // PROTO 2, EMPTY_DICT, MARK
    for (index, (name, data)) in tensors.iter().enumerate() {
        let storage = match data.dtype() {
            DType::F64 => "DoubleStorage",
            DType::F32 | DType::Flex32 => "FloatStorage",
            DType::F16 => "HalfStorage",
            DType::BF16 => "BFloat16Storage",
            DType::I64 => "LongStorage",
            other => {
                return Err(format!("cannot hold `{name}`: {} is unknown", other.name()));
            }
        };
        let shape = data.shape().to_vec();
        let count: usize = shape.iter().product();
        pickle.text(name)?;
        pickle.put(b"ctorch._utils\n_rebuild_tensor_v2\n("); // GLOBAL, MARK of the arguments
        pickle.put(b"("); // MARK of the persistent object
        pickle.text("storage")?;
        pickle.put(format!("ctorch\n{storage}\n").as_bytes());
        pickle.text(&index.to_string())?;
        pickle.text("cpu")?;
        pickle.integer(count);
        pickle.put(b"tQ"); // TUPLE, BINPERSID
        pickle.integer(0);
        pickle.tuple(&shape);
        pickle.tuple(&strides(&shape));
        pickle.put(b"\x89"); // NEWFALSE
        pickle.put(b"ccollections\nOrderedDict\n)R"); // no hooks
        pickle.put(b"tR"); // TUPLE, REDUCE
    }
    pickle.put(b"u."); // SETITEMS, STOP
    Ok(pickle.0)
}

struct Pickle(Vec<u8>);

impl Pickle {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// BINUNICODE.
    fn text(&mut self, text: &str) -> Result<(), String> {
        let length = u32::try_from(text.len()).map_err(|_| "has a name of 4 GiB".to_owned())?;
        self.put(b"X");
        self.put(&length.to_le_bytes());
        self.put(text.as_bytes());
        Ok(())
    }

    /// BININT, or LONG1 of nine bytes, the last of which is the sign.
    fn integer(&mut self, value: usize) {
        match i32::try_from(value) {
            Ok(value) => {
                self.put(b"J");
                self.put(&value.to_le_bytes());
            }
            Err(_) => {
                self.put(b"\x8a\x09");
                self.put(&(value as u64).to_le_bytes());
                self.put(b"\0");
            }
        }
    }

    fn tuple(&mut self, values: &[usize]) {
        self.put(b"(");
        for value in values {
            self.integer(*value);
        }
        self.put(b"t");
    }
}

/// Distances in values from one index to the next, of rows that follow each other.
fn strides(shape: &[usize]) -> Vec<usize> {
    let after = |axis: usize| shape[axis + 1..].iter().product();
    (0..shape.len()).map(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors() -> BTreeMap<String, TensorData> {
        let weight = (0..24).map(|v| v as f32 / 8.0).collect();
        [
            (
                "norm.num_batches_tracked",
                TensorData::new(vec![0i64], [0; 0]),
            ),
            ("conv.weight", TensorData::new(weight, [2, 3, 2, 2])),
            ("conv.bias", TensorData::new(vec![0.5f32, -1.0], [2])),
            ("double", TensorData::new(vec![1.0f64 / 3.0], [1])),
        ]
        .map(|(name, data)| (name.to_owned(), data))
        .into()
    }

    /// `reference/generate/forward.py` opens that file with `torch.load(weights_only=True)` and checks
    /// what is in it. If the format changes, run this test with `WRITE_REFERENCE=1` and then the script.
    #[test]
    fn the_bytes_are_those_that_pytorch_has_read() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../reference/written_by_rust.pt"
        );
        let bytes = bytes(&tensors()).unwrap();
        if std::env::var_os("WRITE_REFERENCE").is_some() {
            std::fs::write(path, &bytes).unwrap();
        }
        assert_eq!(bytes, std::fs::read(path).unwrap());
    }

    #[test]
    fn large_sizes_are_written_whole() {
        let mut pickle = Pickle(Vec::new());
        pickle.integer(1 << 31);
        assert_eq!(pickle.0, b"\x8a\x09\0\0\0\x80\0\0\0\0\0");
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert!(strides(&[]).is_empty());
    }

    #[test]
    fn a_type_without_a_storage_is_refused() {
        let tensors = [("mask".to_owned(), TensorData::new(vec![true], [1]))].into();
        let error = bytes(&tensors).unwrap_err();
        assert!(error.starts_with("cannot hold `mask`: "), "{error}");
    }
}
