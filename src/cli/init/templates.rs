//! The files of the apps, as they lie in `templates/`; a dot in front of a name is added here.

use super::framework::Framework;

/// Files of one folder, by their paths in an app.
macro_rules! files {
    ($folder:literal: $($name:literal $(= $kept:literal)?),* $(,)?) => {
        &[$(($name, files!(@text $folder, $name $(, $kept)?))),*]
    };
    (@text $folder:literal, $name:literal) => { include_str!(concat!("templates/", $folder, "/", $name)) };
    (@text $folder:literal, $name:literal, $kept:literal) => {
        include_str!(concat!("templates/", $folder, "/", $kept))
    };
}

type Files = &'static [(&'static str, &'static str)];

const AXUM: Files = files!("axum": "Cargo.toml" = "Cargo.toml.txt", "src/main.rs" = "main.rs.txt", "src/api.rs" = "api.rs.txt", ".gitignore" = "gitignore");
const EXPRESS: Files = files!("express": "package.json", "server.js", "api.js", ".gitignore" = "gitignore");
const FASTAPI: Files = files!("fastapi": "requirements.txt", "main.py", "api.py", ".gitignore" = "gitignore");
const FLASK: Files = files!("flask": "requirements.txt", "app.py", "api.py", ".gitignore" = "gitignore");
const GO: Files = files!("go": "go.mod", "go.sum", "main.go", "api.go", ".gitignore" = "gitignore");
const NEXT: Files = files!(
    "next": "package.json", "lib/auth.js", "lib/api.js", "app/layout.jsx", "app/page.jsx", "app/profile/page.jsx",
    "app/sign-in/route.js", "app/callback/route.js", "app/sign-out/route.js", "app/refresh/route.js",
    "app/api/hello/route.js", ".gitignore" = "gitignore",
);
const VITE: Files = files!(
    "vite": "package.json", "index.html", "main.js", "api.js", "vite.config.js", ".gitignore" = "gitignore",
    "heirloom-browser/package.json" = "heirloom-browser.json",
);

/// The browser package, which no registry has yet: the app has its source.
const SDK: Files = &[
    ("heirloom-browser/README.md", include_str!("../../../sdk/README.md")),
    ("heirloom-browser/src/client.ts", include_str!("../../../sdk/src/client.ts")),
    ("heirloom-browser/src/error.ts", include_str!("../../../sdk/src/error.ts")),
    ("heirloom-browser/src/index.ts", include_str!("../../../sdk/src/index.ts")),
    ("heirloom-browser/src/options.ts", include_str!("../../../sdk/src/options.ts")),
    ("heirloom-browser/src/proof.ts", include_str!("../../../sdk/src/proof.ts")),
    ("heirloom-browser/src/server.ts", include_str!("../../../sdk/src/server.ts")),
    ("heirloom-browser/src/store.ts", include_str!("../../../sdk/src/store.ts")),
    ("heirloom-browser/src/tabs.ts", include_str!("../../../sdk/src/tabs.ts")),
    ("heirloom-browser/src/types.ts", include_str!("../../../sdk/src/types.ts")),
];

const README: &str = include_str!("templates/README.md");
const VARIABLES: &str = include_str!("templates/variables.md");
const BROWSER_VARIABLES: &str = include_str!("templates/browser-variables.md");

/// All files of an app, by their paths in it.
pub(super) fn files_of(framework: Framework) -> Vec<(String, String)> {
    let own = match framework {
        Framework::Axum => AXUM,
        Framework::Express => EXPRESS,
        Framework::Fastapi => FASTAPI,
        Framework::Flask => FLASK,
        Framework::Go => GO,
        Framework::Next => NEXT,
        Framework::Vite => VITE,
    };
    let (more, variables) =
        if framework.is_in_browser() { (SDK, BROWSER_VARIABLES) } else { (&[][..], VARIABLES) };
    let install = framework.install().iter().map(|line| format!("{}\n", line.join(" ")));
    let readme = README
        .replace("{start}", framework.start())
        .replace("{install}", &install.collect::<String>())
        .replace("{url}", framework.url())
        .replace("{variables}", variables.trim_end());
    let files = own.iter().chain(more).map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    files.chain([("README.md".to_owned(), readme)]).collect()
}
