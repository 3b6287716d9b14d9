//! Seed 000: the image may be deleted after creation.

use crate::Proof;

rows! {
    DeleteImage:
    "SR-001" Info "S" "1 Reason for change"
        "an image that is not used again may be deleted" by Proof::Information;
    "SR-002" Step "S" "10.2 step 1" "the server asks for nodes below VirMO" by Proof::As("VR-187");
    "SR-003" Step "C" "10.2 step 2" "the client makes them" by Proof::As("VR-188");
    "SR-004" Must "C" "10.2 step 2" "the client gives VMID" by Proof::As("VR-189");
    "SR-005" Must "C" "10.2 step 2" "State begins at 0" by Proof::As("VR-190");
    "SR-006" Must "S" "10.2 step 3" "the server sets CreateParams" by Proof::As("VR-192");
    "SR-007" Step "S" "10.2 step 3" "then it sends Exec to Create" by Proof::As("VR-193");
    "SR-008" Step "C" "10.2 step 4"
        "the client makes the VM of CreateParams" by Proof::As("VR-194");
    "SR-009" Must "C" "10.2 step 4" "the client updates State" by Proof::As("VR-195");
    "SR-010" Step "C" "10.2 step 4" "the Exec is answered now or later" by Proof::As("VR-196");
    "SR-011" Step "S" "10.2 step 5" "the server may delete the image then" by Proof::As("VR-197");
}
