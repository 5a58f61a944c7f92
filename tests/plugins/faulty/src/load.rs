//! A fault while the library is being loaded. No settings are known then: a test writes the fault's number into the file
//! (`miniclaw_tests::libraries`).

/// Found in the file by its text. The digit after the colon is the fault's number, the one after that is 1 where the trial
/// load (`miniclaw plugin-probe`) shall be spared.
#[used]
static FAULT: [u8; 24] = *b"fault-while-loading:00;\0";
const NUMBER_AT: usize = 20;
const SPARES_TRIAL_AT: usize = 21;

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = construct;

extern "C" fn construct() {
    let fault = std::hint::black_box(&FAULT);
    // SAFETY: reads a static; volatile, since the file may say something else than the source does.
    let fault = unsafe { std::ptr::from_ref(fault).read_volatile() };
    if fault[SPARES_TRIAL_AT] == b'1' && std::env::args_os().any(|argument| argument == "plugin-probe") {
        return;
    }
    match fault[NUMBER_AT] {
        b'1' => crate::deed::segfault(),
        b'2' => std::process::abort(),
        b'3' => std::process::exit(0),
        b'4' => loop {
            std::thread::park();
        },
        _ => {}
    }
}
