//! What an app may be built with.

use std::str::FromStr;

/// Farther away nobody meant it.
const NEAR: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framework {
    Axum,
    Express,
    Fastapi,
    Flask,
    Go,
    Next,
    Vite,
}

/// A program that a framework needs on the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    /// How it tells its version.
    pub(super) asked: &'static [&'static str],
    /// The oldest that will do.
    pub(super) least: (u32, u32),
    pub(super) from: &'static str,
}

const NODE: Tool =
    Tool { name: "Node.js", asked: &["node", "--version"], least: (20, 0), from: "https://nodejs.org" };
const NPM: Tool =
    Tool { name: "npm", asked: &["npm", "--version"], least: (9, 0), from: "https://nodejs.org" };
const PYTHON: Tool = Tool {
    name: "Python",
    asked: &["python3", "--version"],
    least: (3, 10),
    from: "https://www.python.org/downloads",
};
const GO: Tool = Tool { name: "Go", asked: &["go", "version"], least: (1, 26), from: "https://go.dev/dl" };
const CARGO: Tool =
    Tool { name: "Rust", asked: &["cargo", "--version"], least: (1, 88), from: "https://rustup.rs" };

const NPM_INSTALL: &[&[&str]] = &[&["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]];
const PIP_INSTALL: &[&[&str]] = &[
    &["python3", "-m", "venv", ".venv"],
    &[
        ".venv/bin/python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        "requirements.txt",
    ],
];

impl Framework {
    pub(super) const ALL: [Self; 7] =
        [Self::Axum, Self::Express, Self::Fastapi, Self::Flask, Self::Go, Self::Next, Self::Vite];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Express => "express",
            Self::Fastapi => "fastapi",
            Self::Flask => "flask",
            Self::Go => "go",
            Self::Next => "next",
            Self::Vite => "vite",
        }
    }

    pub(super) fn tools(self) -> &'static [Tool] {
        match self {
            Self::Axum => &[CARGO],
            Self::Express | Self::Next | Self::Vite => &[NODE, NPM],
            Self::Fastapi | Self::Flask => &[PYTHON],
            Self::Go => &[GO],
        }
    }

    /// What fetches the libraries where the start does not.
    pub(super) fn install(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Axum | Self::Go => &[],
            Self::Express | Self::Next | Self::Vite => NPM_INSTALL,
            Self::Fastapi | Self::Flask => PIP_INSTALL,
        }
    }

    pub(super) fn start(self) -> &'static str {
        match self {
            Self::Axum => "heirloom dev -- cargo run",
            Self::Express | Self::Next | Self::Vite => "npm start",
            Self::Fastapi => "heirloom dev -- .venv/bin/uvicorn main:app --reload",
            Self::Flask => "heirloom dev -- .venv/bin/flask run --debug",
            Self::Go => "heirloom dev -- go run .",
        }
    }

    pub(super) fn url(self) -> &'static str {
        match self {
            Self::Axum | Self::Express | Self::Go | Self::Next => "http://localhost:3000",
            Self::Fastapi => "http://localhost:8000",
            Self::Flask => "http://localhost:5000",
            Self::Vite => "http://localhost:5173",
        }
    }

    /// Whether the app is one in a browser, without a secret.
    pub(super) fn is_in_browser(self) -> bool {
        self == Self::Vite
    }
}

impl FromStr for Framework {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(found) = Self::ALL.into_iter().find(|it| it.name() == text) {
            return Ok(found);
        }
        let distance = |it: &Self| strsim::damerau_levenshtein(&text.to_lowercase(), it.name());
        let near = Self::ALL.into_iter().min_by_key(distance).filter(|it| distance(it) <= NEAR);
        let hint = near.map(|it| format!("did you mean {}? ", it.name())).unwrap_or_default();
        let names = Self::ALL.map(Self::name).join(", ");
        Err(format!("{hint}there are {names}"))
    }
}
