use proptest::{
    collection::vec,
    prelude::{Arbitrary, BoxedStrategy, Strategy, any},
};

use crate::{Bytes, CreateParams, DeviceResources, ImageId, Percent, ResourceConfig};

macro_rules! arbitrary {
    ($($name:ty = $strategy:expr;)*) => {$(
        impl Arbitrary for $name {
            type Parameters = ();
            type Strategy = BoxedStrategy<Self>;

            fn arbitrary_with((): ()) -> Self::Strategy {
                $strategy.boxed()
            }
        }
    )*};
}

arbitrary! {
    Bytes = any::<u64>().prop_map(Self::new);
    Percent = (0..=Self::FULL.get()).prop_filter_map("above 100", Self::new);
    ImageId = "\\PC{1,40}".prop_filter_map("not an identifier", |text| text.trim().parse().ok());
    CreateParams = (any::<ImageId>(), any::<bool>(), vendor_pairs()).prop_map(
        |(image, running, vendor)| {
            let mut params = Self::new(image);
            params.running = running;
            for (key, value) in vendor {
                let _ = params.insert_vendor(&key, &value);
            }
            params
        }
    );
    ResourceConfig = (
        any::<(Bytes, Bytes)>(),
        any::<(Percent, Percent)>(),
        vendor_pairs(),
    )
        .prop_map(|((ram, storage), (cpu, network), vendor)| {
            let mut config = Self::new(ram, storage, cpu, network);
            for (key, value) in vendor {
                let _ = config.insert_vendor(&key, &value);
            }
            config
        });
    DeviceResources = (any::<(Bytes, Bytes)>(), vendor_pairs()).prop_map(
        |((ram, storage), vendor)| {
            let mut device = Self::new(ram, storage);
            for (key, value) in vendor {
                let _ = device.insert_vendor(&key, &value);
            }
            device
        }
    );
}

/// Keys and values that may collide and need escapes; what does not fit is left out.
fn vendor_pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(("[a-c.-]{1,2}|\\PC{1,8}", any::<String>()), 0..6)
}
