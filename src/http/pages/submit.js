// Presses the page's one button, for browsers that run scripts. It is there for all others too.
document.forms[0].submit();
