use proptest::{
    prelude::{Arbitrary, BoxedStrategy, Strategy},
    sample::select,
};

use crate::{ImageOperation, ImageState, Primitive, VmId, VmState};

macro_rules! arbitrary_of_all {
    ($($name:ident)*) => {$(
        impl Arbitrary for $name {
            type Parameters = ();
            type Strategy = BoxedStrategy<Self>;

            fn arbitrary_with((): ()) -> Self::Strategy {
                select(Self::ALL.as_slice()).boxed()
            }
        }
    )*};
}

arbitrary_of_all!(VmState Primitive ImageState ImageOperation);

impl Arbitrary for VmId {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        "[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}"
            .prop_filter_map("not an identifier", |text| text.parse().ok())
            .boxed()
    }
}
