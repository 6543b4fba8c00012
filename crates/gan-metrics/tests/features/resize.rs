//! `reference/generate/resize.py`.

use gan_metrics::features::{PictureShape, ResizeMode};

use crate::picture_bytes;
use crate::reference::Reference;

/// In levels of 255.
const TOLERANCE: f32 = 1e-4;

#[test]
fn every_mode_is_its_reference() {
    let file = Reference::open("resize");
    for mode in ResizeMode::ALL {
        for (height, width) in [(32, 32), (40, 53), (299, 299), (331, 420)] {
            let size = format!("{height}x{width}");
            let picture = picture_bytes(&format!("resize.{size}"), height * width * 3);
            let shape = PictureShape {
                count: 1,
                height,
                width,
                channels: 3,
            };
            let planes = mode.resize(&picture, shape, 299);
            let wanted: Vec<f32> = file.values(&format!("{mode}.{size}"));
            let mut wanted = wanted.iter();
            let mut worst = 0f32;
            for row in (0..299).step_by(13) {
                for column in (0..299).step_by(7) {
                    for channel in 0..3 {
                        let found = planes[(channel * 299 + row) * 299 + column];
                        let wanted = wanted.next().expect("as many as kept");
                        worst = worst.max((found - wanted).abs());
                    }
                }
            }
            assert_eq!(wanted.next(), None);
            println!("{mode} {size}: largest difference {worst:.1e}");
            assert!(worst <= TOLERANCE, "{mode} {size}: {worst}");
        }
    }
}
