//! What a package gives a shell and `man`: both are made by the program itself.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::process::Place;

/// What bash offers for the last word of a line.
fn offered(place: &Place, line: &[&str]) -> Vec<String> {
    let script = place.folder.path().join("heirloom.bash");
    fs::write(&script, place.ok(&["completions", "bash"])).unwrap();
    let ask = r#"source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _heirloom heirloom "${@: -1}" "${@: -2:1}"; printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash").args(["-c", ask]).arg(script).args(line).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_shell_completes_commands_and_options() {
    let place = Place::elsewhere();
    assert_eq!(offered(&place, &["heirloom", "us"]), ["user"]);
    assert_eq!(offered(&place, &["heirloom", "user", "set-"]), ["set-password", "set-roles"]);
    assert_eq!(offered(&place, &["heirloom", "serve", "--mig"]), ["--migrate"]);
    for (shell, sign) in [("zsh", "#compdef heirloom"), ("fish", "complete -c heirloom")] {
        assert!(place.ok(&["completions", shell]).contains(sign), "{shell}");
    }
    assert!(place.refused(&["completions", "csh"]).contains("[possible values: bash, elvish, fish, "));
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::elsewhere();
    place.ok(&["man-pages", "share/man1"]);
    let folder = place.folder.path().join("share/man1");
    let pages: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let help = place.ok(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() > 20, "{help}");
    for command in commands {
        assert!(pages.contains(&format!("heirloom-{command}.1")), "{command}");
    }
    assert!(pages.contains("heirloom.1") && pages.contains("heirloom-user-set-password.1"));
    assert!(!pages.iter().any(|page| page.contains("resource-service")), "a hidden command stays hidden");
    let page = fs::read_to_string(folder.join("heirloom-user-add.1")).unwrap();
    assert!(page.contains(".TH heirloom-user-add 1") && page.contains("password\\-stdin"), "{page}");
}

#[test]
fn manual_pages_that_cannot_be_written_are_an_error() {
    let place = Place::elsewhere();
    fs::write(place.folder.path().join("file"), "").unwrap();
    let said = place.refused(&["man-pages", "file"]);
    assert_eq!(said, "heirloom: the manual pages cannot be written into file: File exists (os error 17)\n");
}
