//! Payment networks: the settings name them in v1's words, v2 has words of its own.

/// The networks that both flavours know: the settings' word, v2's word.
pub const NETWORKS: [(&str, &str); 2] =
    [("evm-arbitrum-one", "arbitrum-one"), ("evm-arbitrum-sepolia-test", "arbitrum-sepolia")];

/// v2's word for a network that the settings name.
pub(super) fn of_v2(network: &str) -> &str {
    NETWORKS.iter().find(|(word, _)| *word == network).map_or(network, |(_, v2)| v2)
}

/// The settings' word for a network that v2 names.
pub(super) fn from_v2(network: &str) -> &str {
    NETWORKS.iter().find(|(_, v2)| *v2 == network).map_or(network, |(word, _)| word)
}
