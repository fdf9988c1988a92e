/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded SEV-SNP reports, what is in them, and what must become of each. The files themselves aren't here: they
 * are named, and held to their SHA-256. Every policy asks for exactly what its report has (its own measurement, chip,
 * levels, host data and so on), so that one edit makes one check fail.
 * In the policies ' stands for " to keep them readable.
 */
#ifndef CLO_TEST_SNP_TABLE_H
#define CLO_TEST_SNP_TABLE_H

#include <stdint.h>

struct snp_vector {
    const char *name, *report_sha256;
    const char *leaf, *leaf_sha256; /* NULL: its certificate isn't known */
    const char *product;            /* whose intermediate and CRL belong to it */
    int64_t when;                   /* a moment at which as much as possible is valid */
    const char *report_data;
    const char *policy;
};

/* clang-format off */
static const struct snp_vector snp_vectors[] = {
    {
    "milan_v2_virtee", "120d77b213c8868dd42f160ccb0114f05336ec715f6d51070f534b33c7e03f3b",
    "snp/milan_v2_virtee.vcek.der", "3bbfb6ee259f75a95d13168cfdf2e034181bb93c7c016825731cbe8ea16c95e1",
    "milan", 1748779200 /* 2025-06-01 */,
    "d447b55d197491bfe15cf298f9de9986b7a7c4be2468b4f6e2d53b71d7c645810b0f2cdfca0040433be063fc1a82"
        "93f0f3f8dae7b79fecb3d1cd82bd6a93ebfd",
    "{'v':1,'name':'milan_v2_virtee','tee':['sev-snp'],"
        "'measurements':['7a1e5c266c0108dbc9bb94fa926951320940915d0aafb42464bd88b579ea158d3e1a0dc39b2"
        "c60bd95b9c480cd81841f'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':3,'tee':0,'snp':8,"
        "'ucode':115},'min_launch_tcb':{'bl':3,'tee':0,'snp':8,'ucode':115},"
        "'min_firmware':'1.52.4'}},'vmpl':0,'min_abi':'0.0','allow_smt':true,'require_platform':[],"
        "'min_guest_svn':0,"
        "'chip_ids':['d49554ec717f4e5b0fe6b143bcf0405bd7ae304727edf46603f2a76aef6a3abc15d7af38db75703"
        "9029f0efacfd08e244324884738c72b082e2f87a44d541eb6']},'devices':{'min':0}}",
    },
    {
    "milan_v2_debug_gsg", "377e6241d3b373ab1df80c0f96978594e7e21f4797dd6ea95e2957e1c1e26060",
    "snp/milan_v2_debug_gsg.vcek.der", "0d057f9b6e29a69eda9c0154b259567d291c1c08d73a11e9d31ace07c435b6d8",
    "milan", 1748779200 /* 2025-06-01 */,
    "01020304050000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'milan_v2_debug_gsg','tee':['sev-snp'],"
        "'measurements':['b07af9620f3b839b47996422ddec6058338951d984e312115131ea82705eaf5b6bdf8a9ece3"
        "1a5a608eb0cf2e4872b01'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':2,'tee':0,'snp':5,"
        "'ucode':68},'min_launch_tcb':{'bl':2,'tee':0,'snp':5,'ucode':68},'min_firmware':'1.49.3'}},"
        "'vmpl':0,'min_abi':'0.0','allow_smt':true,'require_platform':[],'min_guest_svn':0,"
        "'chip_ids':['3ac3fe21e13fb0990eb28a802e3fb6a29483a6b0753590c951bdd3b8e53786184ca39e359669a2b"
        "76a1936776b564ea464cdce40c05f63c9b610c5068b006b5d']},'devices':{'min':0}}",
    },
    {
    "milan_v2_debug_librats", "a351eede779e2f2091b33b75050b11452fba3cc358ea29bfe5db19d7b49632a9",
    "snp/milan_v2_debug_librats.vcek.der", "c50d67035581e5e5ad1b977eb5b76065aed377bd89ce5fd752f5442e55a94074",
    "milan", 1748779200 /* 2025-06-01 */,
    "31323334353637383132333435363738313233343536373831323334353637380000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'milan_v2_debug_librats','tee':['sev-snp'],"
        "'measurements':['7fce6a76f8713d05725af71c4890561afcd16c52adf667c102d5413ef6da7779d1a8e98a91e"
        "316a7782139d3014d0c20'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':2,'tee':0,'snp':5,"
        "'ucode':93},'min_launch_tcb':{'bl':2,'tee':0,'snp':5,'ucode':93},'min_firmware':'1.49.3'}},"
        "'vmpl':0,'min_abi':'0.0','allow_smt':true,'require_platform':[],'min_guest_svn':0,"
        "'chip_ids':['572c3044f38f464a216ab871ac20ec492bbad903786c0030266902af20aa6a4bcb535a2504b3707"
        "f6e4a9b3adc367df4e4c4817dce074413e19111aa0ed29dc3']},'devices':{'min':0}}",
    },
    {
    "milan_v2_provisional_trustee", "7c614616feb65823351fa42620ea260fb84fd22b2337a480ca0d5f04f363ca38",
    "snp/milan_v2_provisional_trustee.vcek.der", "3430987528a9feebc90c1ba5cfac5849926ace82ae652a1bbf464d33bdc36d45",
    "milan", 1748779200 /* 2025-06-01 */,
    "ec6c52d7533cc2c4f45be7849cf112ab82b2009fe7bd43e71ed08c14400ad7e20000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'milan_v2_provisional_trustee','tee':['sev-snp'],"
        "'measurements':['a1f3930413247bb38cfc171579ea3c12d5fe4901f0c792f63fd75d98f1ef827c23500644e0e"
        "692e6be917f9050d3d38c'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':3,'tee':0,'snp':8,"
        "'ucode':115},'min_launch_tcb':{'bl':3,'tee':0,'snp':8,'ucode':115},"
        "'min_firmware':'1.52.4'}},'vmpl':0,'min_abi':'0.31','allow_smt':true,'require_platform':[],"
        "'min_guest_svn':4,"
        "'chip_ids':['c38427a30d4c7af9d96f7a15b97269825a64cb76a2352ffd5d18115d89ad473f8e8c0bcd9a5d928"
        "6612bad4aadfb4426205a3b9e4fea82301135a170e477524e'],"
        "'id_keys':['0356215882a825279a85b300b0b742931d113bf7e32dde2e50ffde7ec743ca491ecdd7f336dc28a6"
        "e0b2bb57af7a44a3']},'devices':{'min':0}}",
    },
    {
    "milan_v2_automata_nocert", "597d1fae0914bc33006f5f597d515a6282d40ef661c52cde9377fc02438cee83",
    NULL, NULL,
    "milan", 1748779200 /* 2025-06-01 */,
    "a84c0bb93c587896926f7f1d18d7e7ee61909231f195ff1394723d3177d6517cad2c52d3fbb42016b068a3fca39c"
        "4373478c7ca97851eda4d6c25a16a0c202cf",
    "{'v':1,'name':'milan_v2_automata_nocert','tee':['sev-snp'],"
        "'measurements':['845f8680d7f810d6ee410706d1c845aeb83d18e9a30f59d1b519a7b2e2f2670aab3982a20fe"
        "c61a85b6771922f44945b'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':3,'tee':0,'snp':22,"
        "'ucode':209},'min_launch_tcb':{'bl':3,'tee':0,'snp':22,'ucode':209},"
        "'min_firmware':'1.55.20'}},'vmpl':0,'min_abi':'0.0','allow_smt':true,'require_platform':[],"
        "'min_guest_svn':0,"
        "'chip_ids':['8b58e10b173a779e639942c598df3e386489f476a95d2a0387ecebd48bd3fe633845cd6f5bbcbc8"
        "a31d485af4d90390bfce07c08e5527b7b59918db6bb96d00e']},'devices':{'min':0}}",
    },
    {
    "milan_v3_aci_ms", "e75e8d4efa81c2ce16e982419ca82cb042b5feca3ef82dfc48dda06926d9ece1",
    "snp/milan_v3_aci_ms.vcek.pem", "ddc96c5867c51a2824477127a016ea21976c5459b9c59a651e3837d503c5effc",
    "milan", 1770724800 /* 2026-02-10 */,
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'milan_v3_aci_ms','tee':['sev-snp'],"
        "'measurements':['5feee30d6d7e1a29f403d70a4198237ddfb13051a2d6976439487c609388ed7f98189887920"
        "ab2fa0096903a0c23fca1'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':4,'tee':0,'snp':24,"
        "'ucode':219},'min_launch_tcb':{'bl':4,'tee':0,'snp':24,'ucode':219},"
        "'min_firmware':'1.55.29'}},'vmpl':0,'min_abi':'0.31','allow_smt':true,"
        "'require_platform':['ecc','alias_check'],'min_guest_svn':2,"
        "'chip_ids':['4ffb5cb4fd594f3fee6528fc3fb10370bb38abe89dcd5ba2cf0ab6a11df2ca282add516bef45a89"
        "0a8c9f9732bdca68f9f3f16c42e846030a800295dbeb19ba5'],"
        "'host_data':['4f4448c67f3c8dfc8de8a5e37125d807dadcc41f06cf23f615dbd52eec777d10'],"
        "'id_keys':['0ad79ceb0b648b0e6a90d8aa9f6ea24c33a968b6632085353145e8b19a4741a2dab9ba342e13be4f"
        "c0d225e889cc1a58']},'devices':{'min':0}}",
    },
    {
    "milan_v3_dstack", "a20e02a2e8198894f3c4d0158276c5ae65e63b1908dd4540e058a2ea54d88d2e",
    "snp/milan_v3_dstack.vcek.pem", "d49ffa7c22cc63e526741a446f6cd003b3f96fa0496d2870e86d3f991cb11ddc",
    "milan", 1781956800 /* 2026-06-20 */,
    "6174746573742d746573742d666978747572652d3230323600000000000000000000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'milan_v3_dstack','tee':['sev-snp'],"
        "'measurements':['7f51e17f72a04d5422cb2c00998166536019a217376f3aa45a630e59c805a599847ff250dbf"
        "fcd07e1ba639771d6f05d'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':4,'tee':0,'snp':23,"
        "'ucode':213},'min_launch_tcb':{'bl':4,'tee':0,'snp':24,'ucode':213},"
        "'min_firmware':'1.55.29'}},'vmpl':0,'min_abi':'0.0','allow_smt':true,"
        "'require_platform':['ecc','alias_check'],'min_guest_svn':0,"
        "'chip_ids':['38d174589d2dff97a6d40cb9f9d90b9507c027491219083cef3ce73ed18f7289142d941ad61eabe"
        "cd27d25f268c1095d665f6001358e98a4769c82734a6bb877'],"
        "'host_data':['783f0057820acb99249af56cc3b07b4e8d80f65183167cba9cf437bb680f742f']},"
        "'devices':{'min':0}}",
    },
    {
    "milan_v3_vlek_aws", "decdab949afc590668e45869b20f23e4afc7ac03c61201ab20208c6668a58a2d",
    "snp/milan_v3_vlek_aws.vlek.der", "296a7c99053efe4b1e480bb76d421fd24633d245f3e34708399a18a7713b7a7c",
    "milan", 1748779200 /* 2025-06-01 */,
    "819770b7e6ea6df8dd8fd4dd146b073c0bf4f3ce5b0977ecac486e3a05ed1bd54e2a7ac1f5d1ca02e7d7d5ef9f73"
        "b8574fd9359e3a480d741a4478e8a7bc27ca",
    "{'v':1,'name':'milan_v3_vlek_aws','tee':['sev-snp'],"
        "'measurements':['8922ebbdd00ec2c541f36a6e7a82a8773a7accb451ed67bc94e740dbe92c93c4e8c9af857f5"
        "ceeb5a493df2a570d7bf0'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':4,'tee':0,'snp':24,"
        "'ucode':217},'min_launch_tcb':{'bl':4,'tee':0,'snp':24,'ucode':219},"
        "'min_firmware':'1.55.29'}},'vmpl':1,'min_abi':'0.0','allow_smt':true,"
        "'require_platform':['tsme','ecc','alias_check'],'min_guest_svn':0,'signing_keys':['vlek'],"
        "'csp_ids':['CN=cc-us-east-2.amazonaws.com'],'allow_provisional':true},'devices':{'min':0}}",
    },
    {
    "milan_v4_gce_openpcc", "68535c46d41b3c193b0078da48751ada5dd51b47a5446c791a1273e3e5824ced",
    NULL, NULL,
    "milan", 1748779200 /* 2025-06-01 */,
    "29e348d0fd42479cdeb07160db25bd924cbb46e2310a267087b2169c2537a4ea4968ab4f6b06a1fa5df386b0f53a"
        "b5829376ecf44041bda12d6e8ad78a563b88",
    "{'v':1,'name':'milan_v4_gce_openpcc','tee':['sev-snp'],"
        "'measurements':['59ead9b42664d54fda54f707670386f61b1d3bd34e2da8c8f9ac067e617a0aae4623304a4aa"
        "98bb30756affb4b6c0a05'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':4,'tee':0,'snp':25,"
        "'ucode':219},'min_launch_tcb':{'bl':4,'tee':0,'snp':25,'ucode':219},"
        "'min_firmware':'1.55.31'}},'vmpl':0,'min_abi':'0.0','allow_smt':true,"
        "'require_platform':['ecc','alias_check'],'min_guest_svn':0,"
        "'chip_ids':['12d937a2e0fa646929a42b83afe5b478d3987735e384a015707ec06898e17c0997bb872e0bbb72c"
        "fd71c50ca1560767ce1e198733e648c0ec03c2d67aac8c0b9']},'devices':{'min':0}}",
    },
    {
    "genoa_v5_gcp_siena", "8fd94192d32f9c798ec8766479f6211ad1ee2e5a89f04819eefdd1882a4da488",
    "snp/genoa_v5_gcp_siena.vcek.der", "05788a16abe1ce8cf13fc9fd1d5d5268e8a9e31593a0495bdfb386d1636378dc",
    "genoa", 1771588800 /* 2026-02-20 */,
    "68656c6c6f2d6174746573746174696f6e0000000000000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'genoa_v5_gcp_siena','tee':['sev-snp'],"
        "'measurements':['d9912ba396ce409c2947841d93a5076b6839b898c22b4aae05edb3b2b058a99927f8cf9a4f8"
        "617ee695deb14795496c8'],'sev_snp':{'products':{'genoa':{'min_tcb':{'bl':10,'tee':0,'snp':27,"
        "'ucode':27},'min_launch_tcb':{'bl':10,'tee':0,'snp':27,'ucode':27},"
        "'min_firmware':'1.55.49'}},'vmpl':0,'min_abi':'0.0','allow_smt':true,"
        "'require_platform':['ecc','alias_check'],'min_guest_svn':0,"
        "'chip_ids':['b5f9a4c8280e63c97d288db6648577dc2b848884aa682d7a227ba40e50deb2b0d112b599d87aacc"
        "da78d06f4254b1e81c4d953ef3c699db39d4e06013e9fa4ce'],'mitigations':[0,1,3]},"
        "'devices':{'min':0}}",
    },
    {
    "oak_cb_v3", "8af4ab550b84d1c8342dc8a010306d91d8b11531a38dfb9f91ba9c00e19c67e2",
    "snp/oak_cb_v3.vcek.der", "b9060d95d6d70e36d6c400cd2b4e2efefcd068d54a6dc6a7b60fb87df6dc86d5",
    "milan", 1748779200 /* 2025-06-01 */,
    "279a2d21c0634046566670bbfbe7d59c8375ae6887213bdb38317964e0fbf3200000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'oak_cb_v3','tee':['sev-snp'],"
        "'measurements':['7f758c86166e386367f6e0804dd9d024023d732a03ac03678365c4fe6a2b0dcbbc6ff0eb020"
        "f0c7ea790e75759e09200'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':4,'tee':0,'snp':24,"
        "'ucode':219},'min_launch_tcb':{'bl':4,'tee':0,'snp':24,'ucode':219},"
        "'min_firmware':'1.55.29'}},'vmpl':0,'min_abi':'0.0','allow_smt':true,"
        "'require_platform':['ecc','alias_check'],'min_guest_svn':0,"
        "'chip_ids':['1f8c2a55866688e0cec9b382591d3bc073b1b16d015dc1f9cfd333c6e57b8416d531aa74c2e35e3"
        "a84326484b6976cbeca7728f6a8a9be78d1ef3c0731a14f1b']},'devices':{'min':0}}",
    },
    {
    "oak_milan_oc_release_v3", "40a2778d02fa56e1d82ab108492919fca56549f4781e38002d61f23cf435fc9f",
    "snp/oak_milan_oc_release_v3.vcek.der", "176f84a079b72eb89c399b2bc5022a78629dbb6dcaa36a6e4877c6d161c081b6",
    "milan", 1748779200 /* 2025-06-01 */,
    "a7ca989b0359ea4e5efc47bdbcad84b2df3f26fd09ee7bda5bb27953abf689920000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'oak_milan_oc_release_v3','tee':['sev-snp'],"
        "'measurements':['195b01b74976a1faba13bd85eaf787958f0a46e6dddd45c5bdbf8673522777842b8057ae5d8"
        "66b75416efb62012deaa3'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':4,'tee':0,'snp':24,"
        "'ucode':219},'min_launch_tcb':{'bl':4,'tee':0,'snp':24,'ucode':219},"
        "'min_firmware':'1.55.29'}},'vmpl':0,'min_abi':'0.0','allow_smt':true,"
        "'require_platform':['ecc','alias_check'],'min_guest_svn':0,"
        "'chip_ids':['a3fdc2c64dc299ab90d4238973864b586378e2e5ef9c9d4dc608f3bdaa89a969a03f1b5752cad55"
        "a0c1547ade800dbd7404e9cb3f9738da3b280d1df69cf82e4']},'devices':{'min':0}}",
    },
    {
    "oak_milan_oc_staging_v3", "810ea610009bd3efbb9265ffae0734d4af0f7356e53513ad3dd95e4585f35ed1",
    "snp/oak_milan_oc_staging_v3.vcek.der", "176f84a079b72eb89c399b2bc5022a78629dbb6dcaa36a6e4877c6d161c081b6",
    "milan", 1748779200 /* 2025-06-01 */,
    "6061a1b49c706591839a3d9a0fab68c6d71236b7ab912cb7f7f3f9170fcbdc510000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'oak_milan_oc_staging_v3','tee':['sev-snp'],"
        "'measurements':['0a3c0fa3f1558a883660cb3f37491e6da05e3445dc0f517ab5f9b8f7be6dc2ae2fa46a23b50"
        "1d66d1d7e24796d1c2e20'],'sev_snp':{'products':{'milan':{'min_tcb':{'bl':4,'tee':0,'snp':24,"
        "'ucode':219},'min_launch_tcb':{'bl':4,'tee':0,'snp':24,'ucode':219},"
        "'min_firmware':'1.55.29'}},'vmpl':0,'min_abi':'0.0','allow_smt':true,"
        "'require_platform':['ecc','alias_check'],'min_guest_svn':0,"
        "'chip_ids':['a3fdc2c64dc299ab90d4238973864b586378e2e5ef9c9d4dc608f3bdaa89a969a03f1b5752cad55"
        "a0c1547ade800dbd7404e9cb3f9738da3b280d1df69cf82e4']},'devices':{'min':0}}",
    },
    {
    "oak_genoa_oc_v5", "6d1ceffae6ad5caeadbc27655b2dfabf38fe3a0033e2e3b4a8a5958f893c67a3",
    "snp/oak_genoa_oc_v5.vcek.der", "b6563a6c7767990bbb9e84368cf66822e3a883c16fb24b2b94fba46dac3bd809",
    "genoa", 1754827200 /* 2025-08-10 */,
    "8100555af0ad8e7525be6dffeed0af83e30bbacbf03b76e175e6894d1ed057ce0000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'oak_genoa_oc_v5','tee':['sev-snp'],"
        "'measurements':['c57729018b0a6fb90dc17bb138b0aa35e4401004283ff4a2c24d3739ff3750f52384370e77b"
        "7032862a08c440a9bc4dc'],'sev_snp':{'products':{'genoa':{'min_tcb':{'bl':10,'tee':0,'snp':25,"
        "'ucode':84},'min_launch_tcb':{'bl':10,'tee':0,'snp':25,'ucode':84},"
        "'min_firmware':'1.55.43'}},'vmpl':0,'min_abi':'0.0','allow_smt':true,"
        "'require_platform':['ecc','alias_check'],'min_guest_svn':0,"
        "'chip_ids':['d2421d976f95ce0ba849b7cc5c789122f1e59c77a037272c137ae4d188bb102adbc7c53d0302bff"
        "82a432c94a305dec7a7a270ceb19a10f04a83316c6486968d'],'mitigations':[0]},'devices':{'min':0}}",
    },
    {
    "oak_turin_oc_v5", "3f44a09b769aae243b2c603c2a6f53d4b1cf5feb36b380ea29adcf47da847e20",
    "snp/oak_turin_oc_v5.vcek.der", "14889815724988d463b971dc409aa00ff1f24b7d3fa3b3c55efb3b2aa9bd6919",
    "turin", 1754049600 /* 2025-08-01 */,
    "e0fd0bdb6aa4030a6ddea9073e1fcec5be6c782a2c8075a0825dfb3d9a81b9240000000000000000000000000000"
        "000000000000000000000000000000000000",
    "{'v':1,'name':'oak_turin_oc_v5','tee':['sev-snp'],"
        "'measurements':['f924dd18f168df60fbea937f0b086284d51b1b376de872bac43694f61134d57967c318018de"
        "7335503023dbb50dee624'],'sev_snp':{'products':{'turin':{'min_tcb':{'fmc':0,'bl':1,'tee':0,"
        "'snp':2,'ucode':71},'min_launch_tcb':{'fmc':0,'bl':1,'tee':0,'snp':2,'ucode':71},"
        "'min_firmware':'1.55.61'}},'vmpl':0,'min_abi':'0.0','allow_smt':true,"
        "'require_platform':['tsme','ecc','alias_check'],'min_guest_svn':0,"
        "'chip_ids':['3b42092f69c656d3000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000']},'devices':{'min':0}}",
    },
};
/* clang-format on */

/* The certificates and lists beside them. */
static const struct {
    const char *file, *sha256;
} snp_files[] = {
    {"snp-negative/test-vcek-invalid-legacy.der",
     "cee96955153de19a8c5af84d9d8c9452fa8d6bdfc2fb897972e43cc5051ccbf4"},
    {"snp-negative/test-vcek-invalid-new.der",
     "f875ab6fb518d27b07897528f320346abe1a152c0d731d15e42092339acce889"},
    {"snp-roots/genoa_ask_ark_asvk.pem",
     "7397ae50f4bac4699393121cf7ce9e72bac49f9f7b8c524be8df97e59ca151e3"},
    {"snp-roots/genoa_kds_crl.der",
     "a3064b0a61d6beb158dc250fd940547cb2531a17178ad6d1799cd58ca3dc01fc"},
    {"snp-roots/milan_ask_ark_asvk.pem",
     "cc871f0d2294176386175d9b5b962e18556b15ec13f55f8698b5f7a07aebf0c7"},
    {"snp-roots/milan_kds_crl.der",
     "53a61dc059e525ef637c4f28b7ab2542f64ef1ad0a485eca425bafe722e15f58"},
    {"snp-roots/turin_ask_ark_asvk.pem",
     "34251ef16c414387e2bf36a69b675329156361e6e8113241209e46ebbd6da93f"},
    {"snp/milan_v3_aci_ms.vcek_reissued.pem",
     "dc286c6a917304f771e928a61866f8d8b249511bcff0c69dc125e5c0a5335725"},
    {"x509-negative/prem_ca_cert.pem",
     "02b3cc1a28c848ae520b9b7e3829ae25ddc82eefa5962b13f8a6ad97620b3a38"},
    {"x509-negative/prem_ca_crl.pem",
     "d87bc5ffc7b5ebf0c093ba169898d24eca49da8c455aaf2804aec3a00ec578ef"},
    {"x509-negative/prem_revoked_cert.pem",
     "c661d7e92c2db095a4b03beaa9e9e12802448ce3625aeaf80db592dc9a6fb27e"},
};

/*
 * What must become of a vector when something is changed. Empty members leave the vector as it is. `fails` names
 * every check that fails, and no other may; `lacks` names the first one that is missing.
 */
struct snp_case {
    const char *name; /* also the test's */
    const char *vector;
    const char *from, *to; /* an edit of the policy */
    int64_t when;
    const char *leaf;         /* another file; "" for no chain at all */
    const char *intermediate; /* another product's */
    const char *crl;          /* another product's; "" for none */
    const char *root;         /* another product's root in this product's place */
    bool other_binding;       /* another report data is expected */
    const char *outcome;      /* "verified", "refused", "indeterminate" */
    const char *fails, *lacks;
};

#define MILAN_CRL_END 1778544000 /* 2026-05-12T00:00:00Z */

static const struct snp_case snp_cases[] = {
    /* Each recorded report under its own policy. */
    {"virtee_milan_v2_is_accepted", "milan_v2_virtee", .outcome = "verified"},
    {"debug_report_of_go_sev_guest_is_refused", "milan_v2_debug_gsg", .outcome = "refused",
     .fails = "snp.debug"},
    {"debug_report_of_librats_is_refused", "milan_v2_debug_librats", .outcome = "refused",
     .fails = "snp.debug"},
    {"provisional_firmware_is_refused", "milan_v2_provisional_trustee", .outcome = "refused",
     .fails = "snp.tcb_provisional"},
    {"v2_without_certificate_is_indeterminate", "milan_v2_automata_nocert",
     .outcome = "indeterminate", .lacks = "snp.product"},
    {"aci_milan_v3_is_accepted", "milan_v3_aci_ms", .outcome = "verified"},
    {"dstack_milan_v3_has_no_valid_crl", "milan_v3_dstack", .outcome = "refused",
     .fails = "snp.crl_dates"},
    {"aws_milan_v3_vlek_is_accepted_with_vmpl_1", "milan_v3_vlek_aws", .outcome = "verified"},
    {"v4_without_certificate_is_indeterminate", "milan_v4_gce_openpcc", .outcome = "indeterminate",
     .lacks = "snp.product"},
    {"siena_is_genoa_and_has_no_valid_crl", "genoa_v5_gcp_siena", .outcome = "refused",
     .fails = "snp.crl_dates"},
    {"oak_cb_milan_v3_is_accepted", "oak_cb_v3", .outcome = "verified"},
    {"oak_release_milan_v3_is_accepted", "oak_milan_oc_release_v3", .outcome = "verified"},
    {"oak_staging_milan_v3_is_accepted", "oak_milan_oc_staging_v3", .outcome = "verified"},
    {"oak_genoa_v5_is_accepted", "oak_genoa_oc_v5", .outcome = "verified"},
    /* No CRL of Turin's root is recorded: revocation can't be judged, so nothing is accepted. */
    {"oak_turin_v5_without_crl_is_indeterminate", "oak_turin_oc_v5", .crl = "",
     .outcome = "indeterminate", .lacks = "snp.crl"},

    /* Dates. */
    {"an_expired_crl_is_refused", "milan_v2_virtee", .when = MILAN_CRL_END, .outcome = "refused",
     .fails = "snp.crl_dates"},
    {"the_last_second_of_a_crl_is_good", "milan_v2_virtee", .when = MILAN_CRL_END - 1,
     .outcome = "verified"},
    {"a_crl_of_the_future_is_refused", "milan_v2_virtee", .when = 1746489600 /* 2025-05-06 */,
     .outcome = "refused", .fails = "snp.crl_dates"},
    {"an_expired_vcek_is_refused", "milan_v2_virtee", .when = 1902000000 /* 2030-04-09 */,
     .outcome = "refused", .fails = "snp.chain_dates snp.crl_dates"},
    {"the_aws_vlek_is_good_on_its_last_day", "milan_v3_vlek_aws", .when = 1765404860 - 1,
     .outcome = "verified"},
    {"the_aws_vlek_has_ended_on_2025_12_10", "milan_v3_vlek_aws", .when = 1765404861,
     .outcome = "refused", .fails = "snp.chain_dates"},
    {"the_aci_vcek_is_refused_before_its_start", "milan_v3_aci_ms",
     .when = 1768478400 /* 2026-01-15 */, .outcome = "refused", .fails = "snp.chain_dates"},
    {"an_earlier_issuance_for_the_same_key_is_as_good", "milan_v3_aci_ms", .when = 1768478400,
     .leaf = "snp/milan_v3_aci_ms.vcek_reissued.pem", .outcome = "verified"},
    {"both_issuances_are_good_at_once", "milan_v3_aci_ms",
     .leaf = "snp/milan_v3_aci_ms.vcek_reissued.pem", .outcome = "verified"},

    /* Certificates. */
    {"without_a_chain_nothing_is_decided", "milan_v2_virtee", .leaf = "",
     .outcome = "indeterminate", .lacks = "snp.product"},
    {"another_chips_vcek_is_refused", "milan_v2_virtee",
     .leaf = "snp/milan_v2_provisional_trustee.vcek.der", .outcome = "refused",
     .fails = "snp.chip snp.signature"},
    {"a_vcek_not_signed_by_amd_is_refused", "milan_v2_virtee",
     .leaf = "snp-negative/test-vcek-invalid-legacy.der", .outcome = "refused",
     .fails = "snp.chain snp.chip snp.cert_tcb snp.signature"},
    {"a_vcek_not_signed_by_amd_with_a_wrapped_chip_id_is_refused", "milan_v2_virtee",
     .leaf = "snp-negative/test-vcek-invalid-new.der", .outcome = "refused",
     .fails = "snp.chain snp.chip snp.cert_tcb snp.signature"},
    {"another_products_intermediate_is_refused", "milan_v2_virtee", .intermediate = "genoa",
     .outcome = "refused", .fails = "snp.product snp.root snp.chain"},
    {"another_products_root_is_refused", "milan_v2_virtee", .root = "genoa", .outcome = "refused",
     .fails = "snp.root snp.crl"},
    {"another_products_crl_is_refused", "milan_v2_virtee", .crl = "genoa", .outcome = "refused",
     .fails = "snp.crl"},
    {"without_a_crl_nothing_is_decided", "milan_v2_virtee", .crl = "", .outcome = "indeterminate",
     .lacks = "snp.crl"},

    /* The binding. */
    {"another_report_data_is_refused", "milan_v3_dstack", .other_binding = true,
     .outcome = "refused", .fails = "binding.report_data snp.crl_dates"},
    /* All-zero report data binds nothing, and equals nothing that is ever expected. */
    {"an_all_zero_report_data_binds_nothing", "milan_v3_aci_ms", .other_binding = true,
     .outcome = "refused", .fails = "binding.report_data"},

    /* Policy edits, one check each. */
    {"another_measurement_is_refused", "milan_v2_virtee", .from = "['7a1e5c", .to = "['7a1e5d",
     .outcome = "refused", .fails = "snp.measurement"},
    {"a_product_without_floor_is_not_admitted", "milan_v2_virtee", .from = "'milan':{",
     .to = "'genoa':{", .outcome = "refused", .fails = "snp.product"},
    {"provisional_firmware_is_accepted_where_allowed", "milan_v2_provisional_trustee",
     .from = "'vmpl':0", .to = "'allow_provisional':true,'vmpl':0", .outcome = "verified"},
    {"aws_firmware_is_provisional", "milan_v3_vlek_aws", .from = ",'allow_provisional':true",
     .to = "", .outcome = "refused", .fails = "snp.tcb_provisional"},
    {"aws_runs_at_vmpl_1", "milan_v3_vlek_aws", .from = "'vmpl':1", .to = "'vmpl':0",
     .outcome = "refused", .fails = "snp.vmpl"},
    {"a_vlek_of_another_provider_is_refused", "milan_v3_vlek_aws", .from = "us-east-2",
     .to = "us-east-1", .outcome = "refused", .fails = "snp.signing_key"},
    {"a_vlek_is_refused_where_only_vceks_are_admitted", "milan_v3_vlek_aws",
     .from = "'signing_keys':['vlek'],", .to = "", .outcome = "refused",
     .fails = "snp.signing_key"},
    {"a_vcek_is_refused_where_only_vleks_are_admitted", "milan_v2_virtee", .from = "'vmpl':0",
     .to = "'signing_keys':['vlek'],'csp_ids':['x'],'vmpl':0", .outcome = "refused",
     .fails = "snp.signing_key"},
    {"a_chip_outside_the_list_is_refused", "milan_v2_virtee", .from = "['d49554", .to = "['d49555",
     .outcome = "refused", .fails = "snp.chip"},
    {"a_vlek_names_no_listed_chip", "milan_v3_vlek_aws", .from = "'vmpl':1",
     .to = "'chip_ids':[],'vmpl':1", .outcome = "refused", .fails = "snp.chip"},
    {"a_higher_boot_loader_floor_is_refused", "milan_v2_virtee", .from = "'min_tcb':{'bl':3",
     .to = "'min_tcb':{'bl':4", .outcome = "refused", .fails = "snp.tcb_min"},
    {"a_floor_in_one_component_is_not_outweighed_by_another", "milan_v2_virtee",
     .from = "'min_tcb':{'bl':3,'tee':0,'snp':8,'ucode':115}",
     .to = "'min_tcb':{'bl':0,'tee':1,'snp':0,'ucode':0}", .outcome = "refused",
     .fails = "snp.tcb_min"},
    {"a_higher_launch_floor_is_refused", "milan_v3_aci_ms",
     .from = "'min_launch_tcb':{'bl':4,'tee':0,'snp':24,'ucode':219}",
     .to = "'min_launch_tcb':{'bl':4,'tee':0,'snp':24,'ucode':220}", .outcome = "refused",
     .fails = "snp.tcb_launch"},
    {"a_higher_firmware_floor_is_refused", "milan_v2_virtee", .from = "'1.52.4'", .to = "'1.52.5'",
     .outcome = "refused", .fails = "snp.firmware_min"},
    {"a_lower_build_of_a_higher_minor_is_newer", "milan_v2_virtee", .from = "'1.52.4'",
     .to = "'1.51.255'", .outcome = "verified"},
    {"a_mitigation_that_is_not_reported_is_refused", "oak_genoa_oc_v5", .from = "'mitigations':[0]",
     .to = "'mitigations':[0,1]", .outcome = "refused", .fails = "snp.mitigation"},
    {"a_report_without_mitigation_vectors_has_none", "milan_v3_aci_ms", .from = "'vmpl':0",
     .to = "'mitigations':[0],'vmpl':0", .outcome = "refused", .fails = "snp.mitigation"},
    {"a_higher_abi_floor_is_refused", "milan_v3_aci_ms", .from = "'min_abi':'0.31'",
     .to = "'min_abi':'0.32'", .outcome = "refused", .fails = "snp.policy_abi"},
    {"smt_is_refused_where_it_is_not_allowed", "milan_v2_virtee", .from = "'allow_smt':true",
     .to = "'allow_smt':false", .outcome = "refused", .fails = "snp.smt"},
    {"a_guest_policy_bit_that_is_asked_for_is_refused", "milan_v2_virtee", .from = "'vmpl':0",
     .to = "'require_guest':['single_socket'],'vmpl':0", .outcome = "refused",
     .fails = "snp.guest_policy"},
    {"milan_v2_reports_no_alias_check", "milan_v2_virtee", .from = "'require_platform':[],",
     .to = "", .outcome = "refused", .fails = "snp.platform"},
    {"tsme_is_refused_where_it_is_off", "milan_v3_aci_ms", .from = "['ecc','alias_check']",
     .to = "['ecc','alias_check','tsme']", .outcome = "refused", .fails = "snp.platform"},
    {"host_data_that_is_not_listed_is_refused", "milan_v3_aci_ms", .from = "'host_data':['4f4448",
     .to = "'host_data':['4f4449", .outcome = "refused", .fails = "snp.host_data"},
    {"an_id_key_that_is_not_listed_is_refused", "milan_v3_aci_ms", .from = "'id_keys':['0ad79c",
     .to = "'id_keys':['0ad79d", .outcome = "refused", .fails = "snp.id_key"},
    {"an_author_key_that_is_asked_for_is_refused", "milan_v2_virtee", .from = "'vmpl':0",
     .to = "'author_keys':[],'vmpl':0", .outcome = "refused", .fails = "snp.author_key"},
    {"a_higher_guest_svn_is_refused", "milan_v3_aci_ms", .from = "'min_guest_svn':2",
     .to = "'min_guest_svn':3", .outcome = "refused", .fails = "snp.guest_svn"},
};

#endif
