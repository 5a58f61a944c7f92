//! Who gets in.

use super::*;

#[tokio::test]
async fn link_logs_one_browser_in_once() {
    let gateway = Gateway::start().await;
    let (base, token) = gateway.link().await;
    let mut browser = Browser::new(&base);
    let stranger = browser.get("/").await;
    assert_eq!(stranger.status, 401);
    assert!(stranger.body.contains("miniclaw web"), "{stranger:?}");
    for _ in 0..2 {
        let page = browser.get(&format!("/login?token={token}")).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains(&token) && page.header("set-cookie").is_none());
    }
    let answer = browser.log_in(&token).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")));
    let port = base.rsplit(':').next().unwrap();
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with(&format!("miniclaw_{port}=")), "{cookie}");
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/; Max-Age=2592000"),
        "{cookie}"
    );
    let page = browser.get("/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    let mut other = Browser::new(&base);
    assert_eq!(other.log_in(&token).await.status, 401);
    assert_eq!(other.get(&format!("/login?token={token}")).await.status, 401);
    assert_eq!(other.cookie, None);
    gateway.stop().await;
}

#[tokio::test]
async fn head_is_answered_as_get_without_a_body_and_other_methods_are_named() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    let ask = async |method: &str, path: &str, headers: String| {
        browser
            .raw(&format!("{method} {path} HTTP/1.1\r\n{headers}\r\n"))
            .await
    };
    // More often than there are streams.
    for path in ["/", "/api/chats"].into_iter().chain(["/api/events"; 40]) {
        let page = ask("HEAD", path, browser.headers()).await;
        assert_eq!((page.status, &*page.body), (200, ""), "{path}: {page:?}");
    }
    let host = format!("Host: {}\r\nConnection: close\r\n", browser.host);
    assert_eq!(ask("HEAD", "/", host).await.status, 401);
    let refused = ask("PUT", "/", browser.headers()).await;
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("GET, HEAD, POST"))
    );
    gateway.stop().await;
}

#[tokio::test]
async fn login_outlives_the_gateway_and_ends_with_logout() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::in_folder(folder.path()).await;
    let mut browser = gateway.browser().await;
    let port = browser.host.rsplit(':').next().unwrap().to_owned();
    gateway.stop().await;
    let settings = json!({ "listen": format!("127.0.0.1:{port}") });
    let gateway = Gateway::with(settings, &in_folder(folder.path())).await;
    let mut events = browser.events("", "").await;
    assert_eq!(events.next().await.unwrap().name, "hello");
    let again = browser.get("/").await;
    assert_eq!(again.status, 200);
    assert!(
        again
            .header("set-cookie")
            .unwrap()
            .starts_with(browser.cookie.as_deref().unwrap())
    );
    let other = gateway.browser().await;
    assert_eq!(browser.post("/api/logout", &json!({})).await.status, 200);
    assert_eq!(events.next().await, None);
    assert_eq!(browser.get("/api/chats").await.status, 401);
    assert_eq!(other.get("/api/chats").await.status, 200);
    browser.cookie = None;
    assert_eq!(browser.get("/").await.status, 401);
    gateway.stop().await;
}
