//! What the fakes themselves cost, so that nobody takes their time for the gateway's.

use std::time::{Duration, Instant};

use miniclaw_tests::fake_telegram::TOKEN;
use miniclaw_tests::http::Client;
use miniclaw_tests::server::{ServerThread, THREAD};
use miniclaw_tests::{FakeModel, FakeTelegram, procfs};

use miniclaw_tests::measure::figure::Figure;
use miniclaw_tests::measure::rig::Bench;

const REQUESTS: u32 = 50_000;

/// Processor time of the fakes' thread and the whole round trip, a request.
pub(crate) fn cost(_bench: &Bench) -> Vec<Figure> {
    let thread = ServerThread::start();
    let telegram = FakeTelegram::start_on(&thread);
    let model = FakeModel::start_on(&thread);
    model.forget_requests();
    let send = (
        telegram.url().to_owned(),
        format!("/bot{TOKEN}/sendMessage"),
        r#"{"chat_id":7,"text":"re: hello [n=1]"}"#.to_owned(),
    );
    let ask = (
        model.url().to_owned(),
        "/v1/chat/completions".to_owned(),
        r#"{"model":"fake","stream":true,"messages":[{"role":"user","content":"hello"}]}"#.to_owned(),
    );
    vec![
        Figure::new(
            "fake sendMessage: CPU of its thread, round trip",
            measure(&send),
            "",
        ),
        Figure::new(
            "fake completion: CPU of its thread, round trip",
            measure(&ask),
            "",
        ),
    ]
}

fn measure((url, path, body): &(String, String, String)) -> String {
    let Ok(mut client) = Client::connect(url) else {
        return "no connection".to_owned();
    };
    let (cpu, started) = (procfs::own_thread_time(THREAD), Instant::now());
    for _ in 0..REQUESTS {
        if client.post(path, body).is_err() {
            return "no answer".to_owned();
        }
    }
    let cpu = procfs::own_thread_time(THREAD) - cpu;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(REQUESTS);
    format!("{:.1} us, {:.1} us", micros(cpu), micros(started.elapsed()))
}
