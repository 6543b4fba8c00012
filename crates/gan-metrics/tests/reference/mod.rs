//! Reads reference values (`reference/README.md`).

use std::path::PathBuf;

use safetensors::SafeTensors;

/// The bytes of a file in `reference/`.
pub struct Reference(Vec<u8>);

impl Reference {
    /// `reference/NAME.safetensors`.
    pub fn open(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../reference");
        let path = folder.join(format!("{name}.safetensors"));
        let bytes = std::fs::read(&path);
        Self(
            bytes.unwrap_or_else(|error| {
                panic!("{}: {error}; see reference/README.md", path.display())
            }),
        )
    }

    /// The values of a tensor.
    pub fn values<T: Value<N>, const N: usize>(&self, name: &str) -> Vec<T> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype().bitsize(), 8 * N, "{name}");
        let values = tensor.data().as_chunks::<N>().0.iter();
        values.map(|bytes| T::of(*bytes)).collect()
    }
}

/// A type of `N` bytes.
pub trait Value<const N: usize> {
    fn of(bytes: [u8; N]) -> Self;
}

impl Value<1> for u8 {
    fn of([byte]: [u8; 1]) -> Self {
        byte
    }
}

impl Value<4> for f32 {
    fn of(bytes: [u8; 4]) -> Self {
        Self::from_le_bytes(bytes)
    }
}

impl Value<8> for f64 {
    fn of(bytes: [u8; 8]) -> Self {
        Self::from_le_bytes(bytes)
    }
}

/// An index, from int64.
impl Value<8> for usize {
    fn of(bytes: [u8; 8]) -> Self {
        Self::try_from(i64::from_le_bytes(bytes)).unwrap()
    }
}
