//! What a gateway without a configuration tells whoever started it.

use std::io::Write;

use tracing::warn;

use super::Roster;

/// Prints a link to the web chat, and what to do next by commands with `options`.
pub(super) async fn print(roster: &Roster, options: &str) {
    let link = match roster.link(None).await {
        Ok(link) => link,
        Err(reason) => {
            warn!("{reason}");
            return;
        }
    };
    let minutes = link.valid_s / 60;
    let text = format!(
        "\nminiclaw runs without a configuration: an offline echo answers, and nothing leaves this machine.\n\n  \
           Chat in the browser:  {}\n  \
           It opens once, within {minutes} minutes, from this machine; `miniclaw web{options}` prints another.\n\n  \
           No browser here:      miniclaw gateway{options} --console\n  \
           Telegram, a model:    miniclaw onboard{options}\n  \
           How it is:            miniclaw status{options}\n  \
           Stop it:              Ctrl-C, or miniclaw stop{options}\n\n",
        link.url
    );
    let mut out = std::io::stdout();
    // Nobody is left to tell that stdout takes no more.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
