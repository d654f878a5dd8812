"""One attack, told alike by all products: from a phishing mail to a server, with the same ids everywhere."""
