//! Who earns.

use proptest::prelude::*;
use wnm_core::wallet::{Address, FAUCET, WalletError, Wallets};

use super::{bad, flags, good};

const CHECKSUMMED: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

fn parse(text: &str) -> Result<Wallets, WalletError> {
    Wallets::parse(text, &FAUCET)
}

#[test]
fn addresses_of_eip_55_are_taken_as_it_says() {
    // The examples of EIP-55 itself.
    for text in [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        CHECKSUMMED,
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ] {
        assert_eq!(text.parse::<Address>().expect("it is right").to_string(), text);
    }
    let (lower, upper) = (CHECKSUMMED.to_lowercase(), CHECKSUMMED.to_uppercase().replace('X', "x"));
    for text in [lower, upper] {
        assert_eq!(text.parse::<Address>().expect("one case only").to_string(), CHECKSUMMED);
    }
}

#[test]
fn a_mistyped_address_is_shown_as_it_would_be_right() {
    let mistyped = CHECKSUMMED.replace("5aAeb", "5aAeB");
    insta::assert_snapshot!(bad(&flags(&[("rewards_address", &format!("faucet:1, {mistyped}:100"))])), @r#"
    invalid setting: rewards_address = "faucet:1, 0x5aAeB6053F3E94C9b9A09f33669435E7Ef1BeAed:100" (flag --rewards_address): 0x5aAeB6053F3E94C9b9A09f33669435E7Ef1BeAed has a wrong checksum, so some character in it is wrong (with these digits it would be 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed)
    hint: copy the address again: what is earned for a mistyped address is lost
    "#);
    insta::assert_snapshot!(bad(&flags(&[("donate_address", &mistyped)])), @r#"
    invalid setting: donate_address = "0x5aAeB6053F3E94C9b9A09f33669435E7Ef1BeAed" (flag --donate_address): 0x5aAeB6053F3E94C9b9A09f33669435E7Ef1BeAed has a wrong checksum, so some character in it is wrong (with these digits it would be 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed)
    hint: copy the address again: what is earned for a mistyped address is lost
    "#);
}

#[test]
fn what_is_no_wallet_is_refused() {
    for (text, reason) in [
        ("", "missing altogether"),
        (" \t", "missing altogether"),
        (",", "before or after a comma"),
        ("faucet,", "before or after a comma"),
        ("faucet,,donate", "before or after a comma"),
        ("bank", "\"bank\" is not a valid wallet"),
        ("0x", "is not a valid wallet"),
        ("5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "is not a valid wallet"),
        ("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae", "is not a valid wallet"),
        ("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed0", "is not a valid wallet"),
        ("0x0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "is not a valid wallet"),
        ("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg", "is not a valid wallet"),
        ("faucet:0", "weight \"0\""),
        ("faucet:-1", "weight \"-1\""),
        ("faucet:", "weight \"\""),
        ("faucet:1.5", "weight \"1.5\""),
        ("faucet:4294967296", "from 1 to 4294967295"),
        ("faucet:1,Faucet:2", "faucet is in the list twice"),
        (&format!("{CHECKSUMMED}:1,{}:2", CHECKSUMMED.to_lowercase()), "is in the list twice"),
        ("faucet:1:2", "\"faucet:1\" is not a valid wallet"),
    ] {
        let said = wnm_testing::told(&parse(text).expect_err("it is wrong"));
        assert!(said.contains(reason), "{text:?}: {said}");
    }
}

#[test]
fn an_address_that_nobody_has_a_key_for_is_refused_wherever_one_is_given() {
    for address in [
        "0x0000000000000000000000000000000000000000",
        "0x0000000000000000000000000000000000000001",
        "0x000000000000000000000000000000000000dEaD",
        "0x000000000000000000000000000000000000dead",
        "0x00000000000000000000000000000000DeaDBeef",
        "0xdead000000000000000000000000000000000000",
        "0xdEAD000000000000000042069420694206942069",
        "0xa78d8321B20c4Ef90eCd72f2588AA985A4BDb684",
        "0xdeaddeaddeaddeaddeaddeaddeaddeaddeaddead",
        "0xffffffffffffffffffffffffffffffffffffffff",
        "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE",
        "0x1111111111111111111111111111111111111111",
    ] {
        for (setting, text) in [
            ("rewards_address", address.to_owned()),
            ("rewards_address", format!("faucet:3, {address}:1")),
            ("donate_address", address.to_owned()),
        ] {
            let said = bad(&flags(&[(setting, &text)]));
            assert!(said.contains("is an address that nobody has a key for"), "{setting} = {text}: {said}");
            assert!(said.contains("hint: name an address of a wallet of your own"), "{said}");
        }
    }
    let own = "0x00000000219ab540356cBB839Cbe05303d7705Fa";
    assert_eq!(own.parse::<Address>().expect("zeros in front are luck").to_string(), own);
}

#[test]
fn words_and_weights_are_written_back() {
    for (text, written) in [
        ("faucet", "faucet"),
        (" Faucet : 1 ", "faucet"),
        ("DONATE:7", "donate:7"),
        (&format!("{}:100 , faucet", CHECKSUMMED.to_lowercase()), &format!("{CHECKSUMMED}:100,faucet:1")),
        ("faucet:3,donate:2", "faucet:3,donate:2"),
    ] {
        assert_eq!(parse(text).expect("it is right").to_string(), written);
    }
}

#[test]
fn donate_means_what_the_settings_say() {
    let config = good(&flags(&[("rewards_address", "donate"), ("donate_address", CHECKSUMMED)]));
    assert_eq!(config.rewards_address.draw(1, 1).to_string(), CHECKSUMMED);
    assert_eq!(good(&flags(&[("rewards_address", "donate")])).rewards_address.draw(1, 1), FAUCET);
    assert_eq!(FAUCET.to_string(), "0x00455d78f850b0358E8cea5be24d415E01E107CF");
}

#[test]
fn shares_follow_the_weights() {
    let wallets = parse(&format!("{CHECKSUMMED}:90,faucet:10")).expect("it is right");
    // One draw of many seeds for the first node, and of many nodes of one seed: both must follow the weights.
    let by_seed = (0..20_000).filter(|seed| wallets.draw(*seed, 1) == FAUCET).count();
    let by_number = (1..=20_000).filter(|number| wallets.draw(7, *number) == FAUCET).count();
    // 2000 expected, with a standard deviation of 42.
    assert!((1_790..2_210).contains(&by_seed), "{by_seed}");
    assert!((1_790..2_210).contains(&by_number), "{by_number}");
}

#[test]
fn weights_may_be_as_large_as_they_get() {
    let wallets =
        parse(&format!("{CHECKSUMMED}:{max},faucet:{max},donate:{max}", max = u32::MAX)).expect("it is right");
    let faucets = (1..=3_000).filter(|number| wallets.draw(3, *number) == FAUCET).count();
    assert!((1_850..2_150).contains(&faucets), "{faucets}: two of three shares go there");
}

#[test]
fn a_draw_is_the_same_for_ever() {
    let wallets = parse(&format!("{CHECKSUMMED},faucet")).expect("it is right");
    let draws: String = (1..=32).map(|number| if wallets.draw(42, number) == FAUCET { 'f' } else { 'o' }).collect();
    insta::assert_snapshot!(draws, @"foofooofffffoooofofofffoooooffoo");
}

proptest! {
    #[test]
    fn every_draw_is_one_of_the_wallets_and_repeats(seed: u64, number: u32, weight in 1..=u32::MAX) {
        let wallets = parse(&format!("{CHECKSUMMED}:{weight},faucet:1")).expect("it is right");
        let drawn = wallets.draw(seed, number);
        prop_assert_eq!(drawn, wallets.draw(seed, number));
        prop_assert!(wallets.shares().any(|(address, _)| address == drawn));
    }

    #[test]
    fn nothing_makes_the_reader_panic(text in ".{0,60}") {
        if let Ok(wallets) = parse(&text) {
            prop_assert_eq!(parse(&wallets.to_string()), Ok(wallets));
        }
    }
}
